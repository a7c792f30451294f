//! Laws and vectors of the tokenizers.
