//! Policy files that somebody else wrote: read, merged, shown; and a project's never allows more.
#![no_main]

use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use ringfence_policy::{
    Context, FileText, Sources, Trust, load, parse_duration, parse_size, show, show_json, widens,
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let _duration = parse_duration(text);
    let _size = parse_size(text);
    let context = Context {
        home: Some(PathBuf::from("/home/ada")),
        account_home: Some(PathBuf::from("/home/ada")),
        cwd: PathBuf::from("/home/ada/work"),
        variable: &|_| None,
    };
    let file = |path: &str| FileText {
        path: PathBuf::from(path),
        text: text.to_owned(),
    };
    let home = Some(Path::new("/home/ada"));
    let user = Sources {
        user: Some(file("/home/ada/.config/ringfence/policy.toml")),
        ..Sources::default()
    };
    if let Ok(policy) = load(&user, &context) {
        let _page = show(&policy, home);
        let _data = show_json(&policy);
        assert!(
            widens(&policy, &policy).is_empty(),
            "it allows more than itself"
        );
    }
    let managed = Sources {
        managed: Some(file("/etc/ringfence/policy.toml")),
        ..Sources::default()
    };
    let _bounds = load(&managed, &context);
    let none = load(&Sources::default(), &context).expect("the defaults hold");
    let project = Sources {
        projects: vec![(file("/home/ada/work/.ringfence.toml"), Trust::Untrusted)],
        ..Sources::default()
    };
    if let Ok(policy) = load(&project, &context) {
        let wider = widens(&none, &policy);
        assert!(
            wider.is_empty(),
            "nobody trusted it, and it allows {wider:?}"
        );
    }
});
