//! Do the units of two layers line up by index? Hoeffding's combinatorial statistic, mutual nearest neighbours, and permutation.
//!
//! **Null hypothesis** of everything here: given the values of the h × h similarity matrix `C`, which unit of one side carries which
//! index is a uniformly random permutation, independent of the other side. Two networks trained from independent initialisations satisfy
//! it for hidden units, because initialisation and training (SGD, Adam, AdamW) are equivariant to permuting them. It does *not* hold
//! for two axes of one matrix that share one space; those are permuted together ([`joint_permutation`]).

mod coincidence;
mod permutation;
mod row_alignment;
mod similarity;

pub use coincidence::{Coincidences, coincidence_p, ln_coincidence_sf, ln_coincidence_sum_bound};
pub use permutation::{JointPermutation, joint_permutation, permutation_p};
pub use row_alignment::{AlignmentBuilder, RowAlignment, pooled_asymptotic_p, pooled_bound, pooled_z};
pub use similarity::{Centring, RowPair, align_rows, similarity_rows};

#[cfg(test)]
mod tests;
