//! Which variables pass: the cases people meet.
#![allow(clippy::unwrap_used, missing_docs)]

use std::ffi::OsStr;

use ringfence_policy::{EnvVerdict, Environment, NamePattern, Origin, Sourced};

fn judge(environment: &Environment, name: &str, value: &str) -> EnvVerdict {
    environment.judge(OsStr::new(name), OsStr::new(value))
}

fn plain(name: &str, value: &str) -> EnvVerdict {
    judge(&Environment::default(), name, value)
}

fn patterns(names: &[&str]) -> Vec<Sourced<NamePattern>> {
    names
        .iter()
        .map(|name| Sourced::new(name.parse().unwrap(), Origin::flag("--pass-env")))
        .collect()
}

#[test]
fn names_of_secrets() {
    for name in [
        "GITHUB_TOKEN",
        "GH_TOKEN",
        "NPM_TOKEN",
        "NODE_AUTH_TOKEN",
        "CARGO_REGISTRY_TOKEN",
        "CARGO_REGISTRIES_MINE_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SESSION_TOKEN",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "AZURE_CLIENT_SECRET",
        "ARM_CLIENT_SECRET",
        "DB_PASSWORD",
        "PGPASSWORD",
        "MYSQL_PWD",
        "SSHPASS",
        "RESTIC_PASSWORD",
        "BORG_PASSPHRASE",
        "REDISCLI_AUTH",
        "SECRET_KEY_BASE",
        "RAILS_MASTER_KEY",
        "STRIPE_SECRET_KEY",
        "MY_SECRET_VALUE",
        "TOKEN",
        "SECRET",
        "PASSWORD",
        "DOCKER_AUTH_CONFIG",
        "npm_config__authToken",
        "npm_config_//registry.example.com/:_authToken",
        "NPM_CONFIG__AUTH",
        "OP_SESSION_my",
        "BW_SESSION",
        "GITHUB_PAT",
        "AZURE_DEVOPS_EXT_PAT",
        "VAULT_TOKEN",
        "MOSH_KEY",
        "ACTIONS_RUNTIME_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "TWINE_PASSWORD",
        "HOMEBREW_GITHUB_API_TOKEN",
        "apikey",
        "MyApp.Secret",
        "API_TOKENS",
        "TF_VAR_db_password",
        "DATABASE_PASS",
        "DbPassword",
        "mysecret",
        "PRIVKEY",
        "githubToken",
    ] {
        assert_eq!(
            plain(name, "some-value"),
            EnvVerdict::DropSecretName,
            "{name}"
        );
    }
}

#[test]
fn harmless_names() {
    for (name, value) in [
        ("CARGO_TERM_COLOR", "always"),
        ("GPG_TTY", "/dev/pts/0"),
        ("XAUTHLOCALHOSTNAME", "host"),
        ("MAVEN_OPTS", "-Xmx2g"),
        ("SSH_CONNECTION", "10.0.0.1 5000 10.0.0.2 22"),
        ("SSH_TTY", "/dev/pts/0"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("PWD", "/work"),
        ("OLDPWD", "/"),
        ("HOME", "/home/a"),
        ("TERM", "xterm-256color"),
        ("LANG", "en_US.UTF-8"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_PROFILE", "dev"),
        ("AWS_PAGER", ""),
        ("GPG_KEY", "E3FF2839C048B25C084DEBE9B26995E310250568"),
        ("EDITOR", "vim"),
        ("LS_COLORS", "rs=0:di=01;34:ln=01;36:mh=00:*.tar=01;31"),
        ("TOKENIZERS_PARALLELISM", "false"),
        ("MAX_OUTPUT_TOKENS", "4096"),
        ("DB_PASSWORD_FILE", "/run/x"),
        ("TOKEN_URL", "https://example.com/t"),
        ("KEYBOARD", "us"),
        ("MONKEY", "see"),
        ("DbPasswordFile", "/run/x"),
        ("PASSAGE", "north"),
        ("MONKEY", "george"),
        ("SECRETARY", "jo"),
        ("COMPASS", "n"),
        ("AUTHOR", "a"),
        ("GIT_AUTHOR_NAME", "A"),
        ("KUBECONFIG", "/home/a/.kube/config"),
        ("NO_PASSWORD", "1"),
        ("HTTP_PROXY", "http://proxy:8080"),
        ("DATABASE_URL", "postgres://localhost/dev"),
        ("INIT_CWD", "/work"),
        ("GITHUB_ENV", "/tmp/env"),
        ("RUST_LOG", "debug"),
        ("GITHUB_TOKEN", ""),
        ("SHLVL", "1"),
        ("_", "/usr/bin/env"),
        ("RUSTFLAGS", "-C target-cpu=native"),
        ("VSCODE_NLS_CONFIG", "{}"),
        ("SSH_CLIENT", "10.0.0.1 5000 22"),
    ] {
        assert_eq!(plain(name, value), EnvVerdict::Pass, "{name}");
    }
}

#[test]
fn ways_out() {
    for name in [
        "SSH_AUTH_SOCK",
        "DBUS_SESSION_BUS_ADDRESS",
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "XAUTHORITY",
        "GPG_AGENT_INFO",
        "DOCKER_HOST",
        "TMUX",
        "STY",
        "KITTY_LISTEN_ON",
        "NVIM",
        "VSCODE_IPC_HOOK_CLI",
        "VSCODE_GIT_IPC_HANDLE",
        "GIT_ASKPASS",
        "SSH_ASKPASS",
        "I3SOCK",
        "SWAYSOCK",
        "WSL_INTEROP",
        "NOTIFY_SOCKET",
        "LISTEN_FDS",
    ] {
        assert_eq!(plain(name, "x"), EnvVerdict::DropSocket, "{name}");
    }
}

/// Made up here, cut in two so that no scanner takes them for real ones.
#[test]
fn shapes_of_secrets() {
    let digits = "0123456789abcdef0123456789abcdef0123456789";
    for value in [
        format!("ghp_{}", &digits[..36]),
        format!("github_pat_{}", &digits[..30]),
        format!("https://ghp_{}@github.com/a/b", &digits[..36]),
        format!("--header=ghs_{} x", &digits[..36]),
        format!("glpat-{}", &digits[..20]),
        format!("sk-proj-{}", &digits[..40]),
        format!("sk-ant-api03-{}", &digits[..40]),
        format!("xoxb-{}", &digits[..20]),
        format!("AKIA{}", "IOSFODNN7EXAMPLE"),
        format!("id=ASIA{};", "IOSFODNN7EXAMPLE"),
        format!("npm_{}", &digits[..36]),
        format!("hf_{}", &digits[..34]),
        format!("eyJ{0}.eyJ{0}.{0}", "hbGciOiJIUzI1NiJ9"),
        format!("-----BEGIN {} KEY-----\nMIIE", "RSA PRIVATE"),
        format!("-----BEGIN OPENSSH {} KEY-----\\nb3Bl", "PRIVATE"),
        "postgres://user:pass@db.example.com/app".to_owned(),
        "see redis://:pass@cache:6379/0 there".to_owned(),
        "http://u:p@ss@proxy:8080".to_owned(),
        "DefaultEndpointsProtocol=https;AccountKey=abc==".to_owned(),
        "Authorization: Bearer abcdef".to_owned(),
        "authorization=Basic abcdef".to_owned(),
        "https://hooks.slack.com/services/T0/B0/x".to_owned(),
        "{\"type\": \"service_account\", \"private_key\": \"x\"}".to_owned(),
    ] {
        assert_eq!(
            plain("SETTING", &value),
            EnvVerdict::DropSecretShape,
            "{value}"
        );
    }
}

#[test]
fn shapes_that_only_look_alike() {
    for value in [
        "ghp_short",
        "sk-learn-development-tools-branch",
        "-----BEGIN CERTIFICATE-----\nMIIE",
        "https://example.com/a:b@c",
        "https://user@example.com/",
        "http://[::1]:8080/",
        "git@github.com:a/b.git",
        "eyJ.a.b",
        "/nix/store/0123456789abcdef0123456789abcdef-bash-5.2/bin",
        "npm_config_cache",
        "com.example.eyJhbGciOi",
        "::::////@@@@",
        "AKIA",
        "authorization is needed",
    ] {
        assert_eq!(plain("SETTING", value), EnvVerdict::Pass, "{value}");
    }
}

#[test]
fn a_policy_s_word_overrides_and_drop_is_the_stronger() {
    let environment = Environment {
        pass: patterns(&["GITHUB_TOKEN", "MY_*", "DISPLAY"]),
        drop: patterns(&["*_INTERNAL", "MY_SECRET"]),
    };
    let judge = |name, value| judge(&environment, name, value);
    assert_eq!(judge("GITHUB_TOKEN", "x"), EnvVerdict::Pass);
    assert_eq!(judge("MY_PASSWORD", "x"), EnvVerdict::Pass);
    assert_eq!(judge("DISPLAY", ":0"), EnvVerdict::Pass);
    assert_eq!(
        judge("GITHUB_TOKEN2_TOKEN", "x"),
        EnvVerdict::DropSecretName
    );
    assert_eq!(judge("A_INTERNAL", "x"), EnvVerdict::DropListed);
    assert_eq!(judge("MY_SECRET", "x"), EnvVerdict::DropListed);
    assert_eq!(judge("MY_X_INTERNAL", "x"), EnvVerdict::DropListed);
}

#[cfg(unix)]
#[test]
fn names_and_values_that_are_not_utf_8() {
    use std::os::unix::ffi::OsStrExt;
    let environment = Environment::default();
    let odd = OsStr::from_bytes(b"\xff\xfe_TOKEN");
    assert_eq!(
        environment.judge(odd, OsStr::new("x")),
        EnvVerdict::DropSecretName
    );
    let odd = OsStr::from_bytes(b"\xff postgres://u:p\xff@h/ \xfe");
    assert_eq!(
        environment.judge(OsStr::new("A"), odd),
        EnvVerdict::DropSecretShape
    );
}

#[test]
fn a_very_long_name_is_judged_by_its_end() {
    let long = format!("{}_TOKEN", "A".repeat(5000));
    assert_eq!(plain(&long, "x"), EnvVerdict::DropSecretName);
}

#[test]
fn patterns_match_and_cover() {
    let pattern = |text: &str| text.parse::<NamePattern>().unwrap();
    assert!(pattern("A*C*").matches(OsStr::new("ABCABD")));
    assert!(!pattern("A*C").matches(OsStr::new("ABCABD")));
    assert!(pattern("*").matches(OsStr::new("")));
    assert!(pattern("MY_*").covers(&pattern("MY_A*")));
    assert!(pattern("*").covers(&pattern("*_X*")));
    assert!(!pattern("MY_A*").covers(&pattern("MY_*")));
    assert!(!pattern("MY_A").covers(&pattern("MY_*")));
    for bad in ["", "A B", "A=B", "A\n", "é"] {
        assert!(bad.parse::<NamePattern>().is_err(), "{bad:?}");
    }
}
