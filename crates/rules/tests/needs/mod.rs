//! What a test needs of the machine. At a desk one that cannot run says why and passes; where
//! `RINGFENCE_EXPECT` (`tools`) promised it, it fails.

/// Whether a program is to be had.
pub(crate) fn tool(path: &str) -> bool {
    if std::path::Path::new(path).exists() {
        return true;
    }
    let expect = std::env::var("RINGFENCE_EXPECT").unwrap_or_default();
    let promised = expect.split(',').any(|promise| promise.trim() == "tools");
    assert!(
        !promised,
        "RINGFENCE_EXPECT promised tools, but there is no {path}"
    );
    println!("skipped: needs tools: there is no {path}");
    false
}
