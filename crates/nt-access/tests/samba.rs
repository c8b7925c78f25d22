//! The model beside Samba's (`libcli/security/access_check.c`), which is not ours: the same answers in random cases.
//!
//! Samba knows neither restricted tokens nor labels nor groups for denials; what both know is compared. Its words and
//! bytes are read, and ours by it.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests"
)]

use std::io::Write as _;
use std::process::{Command, Stdio};

use ringfence_nt_access::random::{Random, Wild};
use ringfence_nt_access::{
    Control, Doubt, Mask, Privilege, SecurityDescriptor, Sid, Token, access_check, object,
    well_known,
};

const CASES: usize = 20_000;

/// Who may be an owner, a user, a group.
const POOL: [Sid; 9] = [
    Sid::account([1, 2, 3, 1000]),
    Sid::account([1, 2, 3, 1001]),
    Sid::account([1, 2, 3, 513]),
    well_known::EVERYONE,
    well_known::USERS,
    well_known::ADMINISTRATORS,
    well_known::SYSTEM,
    well_known::AUTHENTICATED_USERS,
    well_known::INTERACTIVE,
];

/// What is asked of the other side, a line each: the descriptor in hexadecimal, the SIDs, the privileges, the rights.
const ORACLE: &str = include_str!("samba/oracle.py");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Case {
    sd: SecurityDescriptor,
    token: Token,
    desired: Mask,
}

fn case(seed: u64) -> Case {
    let mut random = Random::new(seed);
    let wild = Wild {
        owner_rights: true,
        no_dacl: true,
        inheritance: true,
        ..Wild::default()
    };
    let mut sd = random.descriptor(&POOL, wild);
    // Samba grants nothing where nothing is said of a DACL; Windows as where there is none (`SeAccessCheck`).
    sd.control = sd.control.with(Control::DACL_PRESENT);
    let mut token = random.token(&POOL, wild);
    let desired = match random.below(4) {
        // Without a DACL Samba's maximum is nothing, though it grants each right; MS-DTYP 2.5.3.2 has it as all.
        0 if sd.dacl.is_some() => Mask::MAXIMUM_ALLOWED,
        1 => Mask(1 << random.below(9)),
        // Nor does it then ask for the privilege, which Windows does first.
        2 if sd.dacl.is_some() => Mask::ACCESS_SYSTEM_SECURITY | random.mask(false),
        _ => random.mask(false),
    };
    // In what it grants at most Samba has no right by a privilege.
    for privilege in [Privilege::TakeOwnership, Privilege::Security] {
        if random.one_in(6) && desired != Mask::MAXIMUM_ALLOWED {
            token.privileges = token.privileges.with(privilege);
        }
    }
    Case { sd, token, desired }
}

fn line(case: &Case) -> String {
    let sids = std::iter::once(case.token.user).chain(case.token.groups.iter().map(|g| g.sid));
    let sids: Vec<String> = sids.map(|sid| sid.to_string()).collect();
    let privileges: Vec<&str> = [Privilege::TakeOwnership, Privilege::Security]
        .into_iter()
        .filter(|privilege| case.token.privileges.has(*privilege))
        .map(Privilege::name)
        .collect();
    let bytes = hex(&case.sd.to_bytes().unwrap());
    let words = case.sd.to_sddl().unwrap();
    // `FA` is `FILE_ALL_ACCESS` (`sddl.h`), which Samba 4.17 reads without the standard rights; those of keys it has none for.
    let words = [
        ("FA", "0x1f01ff"),
        ("KA", "0xf003f"),
        ("KR", "0x20019"),
        ("KW", "0x20006"),
    ]
    .into_iter()
    .fold(words, |words, (name, mask)| {
        words.replace(&format!(";{name};"), &format!(";{mask};"))
    });
    format!(
        "{bytes} {words} {} {} {:#x}\n",
        sids.join(","),
        if privileges.is_empty() {
            "-".to_owned()
        } else {
            privileges.join(",")
        },
        case.desired.0
    )
}

/// Whether Samba is there. Where it was promised, that it is not is a failure.
fn is_there() -> bool {
    let found = Command::new("/usr/bin/python3")
        .args(["-c", "import samba.security"])
        .stderr(Stdio::null())
        .status();
    let there = found.is_ok_and(|status| status.success());
    if !there {
        eprintln!("skipped: no python3-samba; `apt-get install python3-samba` has it");
        assert!(std::env::var_os("CI").is_none(), "CI has python3-samba");
    }
    there
}

#[test]
fn samba_answers_the_same() {
    if !is_there() {
        return;
    }
    let first = std::env::var("RINGFENCE_SEED").map_or(0, |seed| seed.parse().unwrap());
    println!("seeds {first} to {}", first + CASES as u64);
    let cases: Vec<Case> = (0..CASES as u64).map(|n| case(first + n)).collect();
    let mut child = Command::new("/usr/bin/python3")
        .args(["-c", ORACLE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input: String = cases.iter().map(line).collect();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<&str> = text.lines().collect();
    assert_eq!(answers.len(), CASES);
    let (mut granted, mut refused) = (0, 0);
    for (number, (case, answer)) in cases.iter().zip(answers).enumerate() {
        let [access, bytes, words]: [&str; 3] =
            answer.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let ours = access_check(
            &case.sd,
            &case.token,
            case.desired,
            &object::FILE,
            Doubt::Denies,
        );
        let ours = match ours {
            Ok(mask) => {
                granted += 1;
                format!("{:#x}", mask.0)
            }
            Err(_) => {
                refused += 1;
                "denied".to_owned()
            }
        };
        let seed = first + number as u64;
        assert_eq!(ours, access, "seed {seed}: {}", line(case));
        // Its bytes and its words are of the same descriptor.
        let bytes: Vec<u8> = (0..bytes.len() / 2)
            .map(|at| u8::from_str_radix(&bytes[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        assert_eq!(
            SecurityDescriptor::parse(&bytes).unwrap(),
            case.sd,
            "seed {seed}"
        );
        if words != "-" {
            let read = SecurityDescriptor::from_sddl(words).unwrap();
            let aces = |sd: &SecurityDescriptor| sd.dacl.clone().map(|acl| acl.aces);
            assert_eq!(aces(&read), aces(&case.sd), "seed {seed}: {words}");
            assert_eq!((read.owner, read.group), (case.sd.owner, case.sd.group));
        }
    }
    println!("{granted} granted, {refused} refused");
    assert!(granted > CASES / 5 && refused > CASES / 5);
}
