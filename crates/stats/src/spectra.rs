//! stub
use crate::PValue;
/// stub
pub struct HaarBound { /// t
 pub trace: f64, /// p
 pub p: PValue }
/// stub
pub fn cross_product(_a: &[f32], _b: &[f32], _d: usize) -> Option<Vec<f64>> { None }
/// stub
pub fn haar_bound(_c: &[f64], _d: usize) -> Option<HaarBound> { None }
/// stub
pub struct SketchedSpectrum;
impl SketchedSpectrum {
 /// s
 pub fn new(_m: usize, _n: usize, _k: usize, _s: u64) -> Self { Self }
 /// s
 pub fn push_rows(&mut self, _f: usize, _r: &[f32]) {}
 /// s
 pub fn next_pass(&mut self) {}
 /// s
 pub fn finish(self) -> Vec<f64> { vec![] }
}
/// s
pub fn low_rank(_s: &[f64], _m: usize, _n: usize) -> Option<usize> { None }
