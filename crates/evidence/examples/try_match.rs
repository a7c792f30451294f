//! scratch
fn main() {
    let a: Vec<String> = std::env::args().skip(1).collect();
    let r = sources::Model::open(a[0].as_ref()).unwrap();
    for path in &a[1..] {
        let s = sources::Model::open(path.as_ref()).unwrap();
        let (rs, ss) = (evidence::Side::new(&r).unwrap(), evidence::Side::new(&s).unwrap());
        let t = std::time::Instant::now();
        match evidence::Matching::find(&rs, &ss, 0, &|_| {}).unwrap() {
            Err(why) => println!("{path}: {}", why.0),
            Ok(m) => {
                println!("{path}: {} tokens, {:.1?}", m.common_tokens, t.elapsed());
                for b in m.units.iter().chain(&m.heads) {
                    println!(
                        "  {} <- {} path {} n {} {} share {:.3} matched {} {:?} cert {}",
                        b.suspect,
                        b.reference,
                        b.is_on_path,
                        b.n_reference,
                        b.n_suspect,
                        b.share(),
                        b.n_matched(),
                        b.agreements.iter().map(|a| a.units).collect::<Vec<_>>(),
                        b.is_certified
                    );
                }
            }
        }
    }
}
