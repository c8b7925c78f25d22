//! `ringfence serve`: what is asked of a person first.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::io::Write;

use ringfence_e2e::{Client, rings, sh, with};
use serde_json::{Value, json};

rings! {
    /// Rules hold for each command; a person's yes comes with the next try.
    rules needs ["userns"] |ws| {
        ws.file(".ringfence.toml", "[[rule]]\nprefix = [\"touch\", \"never\"]\ndecision = \"forbid\"\nwhy = \"is not to be\"\n\
                                    [[rule]]\nprefix = [\"touch\"]\ndecision = \"ask\"\n");
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        let touch = |name: &str| json!({ "ring": ring, "argv": ["touch", name] });
        let error = client.refused("command.start", touch("never"));
        assert_eq!((&error["code"], &error["data"]["how"]), (&json!(-32000), &json!("forbidden")), "{error}");
        assert_eq!((&error["data"]["rule"]["why"], &error["data"]["rule"]["decision"]), (&json!("is not to be"), &json!("forbid")));
        assert!(error["data"]["rule"]["origin"].as_str().unwrap().ends_with(".ringfence.toml:1"), "{error}");
        let question = |client: &mut Client, asked: Value| {
            let error = client.refused("command.start", asked);
            assert_eq!(error["data"]["how"], "asked", "{error}");
            error["data"]["question"].clone()
        };
        let first = question(&mut client, touch("made"));
        let approved = |asked: Value, question: &Value, lasts: &str| with(asked, json!({ "approval": { "question": question, "lasts": lasts } }));
        // For another command it is no answer, and then it is spent.
        let other = question(&mut client, approved(touch("other"), &first, "once"));
        assert_eq!(client.refused("command.start", approved(touch("made"), &first, "once"))["code"], -32602);
        let second = client.ring(ws);
        let elsewhere = with(touch("other"), json!({ "ring": second, "approval": { "question": other } }));
        assert_eq!(client.refused("command.start", elsewhere)["code"], -32602);
        assert!(!ws.has("made") && !ws.has("other"));
        let command = client.command(approved(touch("other"), &other, "once"));
        assert_eq!(client.ended(command, "stdout").0["code"], 0);
        let other = question(&mut client, touch("other"));
        for asked in [approved(touch("other"), &other, "ring"), touch("other")] {
            let command = client.command(asked);
            assert_eq!(client.ended(command, "stdout").0["code"], 0);
        }
        // One that nobody can read is not asked about.
        let long = json!({ "ring": ring, "argv": ["touch", "x".repeat(100_000)] });
        assert_eq!(question(&mut client, long), Value::Null);
        // The built-in ones hold, unless they are not wanted.
        let push = json!({ "argv": ["git", "push"] });
        assert!(question(&mut client, with(push.clone(), json!({ "ring": ring }))).is_u64());
        let without = client.ok("ring.open", json!({ "workspace": ws.path(), "starting_rules": false }));
        let command = client.command(with(push, json!({ "ring": without["ring"] })));
        assert_ne!(client.ended(command, "stdout").0["code"], 0);
        client.wait().exits(0);
    }

    /// What a command was refused is known, with the smallest grant; with that it passes.
    denied_granted_passed needs ["userns"] |ws| {
        let notes = ws.dir("../notes");
        ws.dir("sub");
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        let write = || with(sh(ring, "echo hi > ../../notes/today"), json!({ "directory": ws.at("sub") }));
        let command = client.command(write());
        assert_ne!(client.ended(command, "stderr").0["code"], 0);
        let denied = client.ok("command.denied", json!({ "command": command }));
        let denial = &denied["denied"][0];
        assert_eq!((&denial["tried"], &denial["path"], &denial["grant"]), (&json!("write"), &json!(notes.join("today")), &json!({ "write": notes })), "{denied}");
        client.ok("grant.request", with(denial["grant"].clone(), json!({ "ring": ring })));
        let command = client.command(write());
        assert_eq!(client.ended(command, "stderr").0["code"], 0);
        // What ended well was denied nothing, whatever it printed; nor is the ring's doing what it grants by now.
        for script in ["echo '/etc/x: Permission denied'", "echo '../notes/y: Permission denied'; exit 1"] {
            let command = client.command(sh(ring, script));
            client.ended(command, "stdout");
            assert_eq!(client.ok("command.denied", json!({ "command": command })), json!({ "denied": [] }), "{script}");
        }
        let runs = client.command(sh(ring, "exec sleep 1000"));
        assert_eq!(client.refused("command.denied", json!({ "command": runs }))["code"], -32008);
        assert_eq!(client.refused("command.denied", json!({ "command": 999 }))["code"], -32004);
        client.wait().exits(0);
    }

    /// A ring becomes wider while it stands.
    grants needs ["userns", "tool:python3"] |ws| {
        let other = ws.dir("../other");
        let mut client = Client::serve(ws, &[]);
        let ring = client.ring(ws);
        let write = sh(ring, "echo x > ../other/file");
        let command = client.command(write.clone());
        assert_ne!(client.ended(command, "stdout").0["code"], 0);
        client.ok("grant.request", json!({ "ring": ring, "write": other }));
        let command = client.command(write);
        assert_eq!(client.ended(command, "stdout").0["code"], 0);
        // A service outside, and the server's own socket, which is nobody's in a ring.
        let service = ws.base.join("run/service");
        let listener = std::os::unix::net::UnixListener::bind(&service).unwrap();
        std::os::unix::fs::chown(&service, Some(ws.person.uid), None).unwrap();
        std::thread::spawn(move || listener.incoming().flatten().for_each(|mut one| drop(one.write_all(b"served"))));
        let own = ws.base.join(format!("run/ringfence/serve-{}.sock", client.pid()));
        assert!(own.exists());
        let hear = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(s.recv(99).decode())";
        let connect = |path: &std::path::Path| json!({ "ring": ring, "argv": ["python3", "-c", hear, path] });
        let command = client.command(connect(&service));
        assert_ne!(client.ended(command, "stdout").0["code"], 0);
        client.ok("grant.request", json!({ "ring": ring, "socket": service }));
        let command = client.command(connect(&service));
        assert_eq!(client.ended(command, "stdout").1, b"served\n");
        // A service that starts again has another socket, for which it is granted once more; and again is no error.
        std::fs::remove_file(&service).unwrap();
        let listener = std::os::unix::net::UnixListener::bind(&service).unwrap();
        std::os::unix::fs::chown(&service, Some(ws.person.uid), None).unwrap();
        std::thread::spawn(move || listener.incoming().flatten().for_each(|mut one| drop(one.write_all(b"again"))));
        for _ in 0..2 {
            client.ok("grant.request", json!({ "ring": ring, "socket": service }));
            let command = client.command(connect(&service));
            assert_eq!(client.ended(command, "stdout").1, b"again\n");
        }
        for own in [own.as_path(), &ws.base.join("run/ringfence"), &ws.base.join("run")] {
            let error = client.refused("grant.request", json!({ "ring": ring, "socket": own }));
            assert!(error.to_string().contains("own servers listen there"), "{error}");
        }
        // The ring's /dev is its own.
        let in_dev = std::path::PathBuf::from(format!("/dev/shm/ringfence-test-{}", client.pid()));
        let listener = std::os::unix::net::UnixListener::bind(&in_dev).unwrap();
        std::os::unix::fs::chown(&in_dev, Some(ws.person.uid), None).unwrap();
        let error = client.refused("grant.request", json!({ "ring": ring, "socket": in_dev }));
        std::fs::remove_file(&in_dev).unwrap();
        drop(listener);
        assert!(error.to_string().contains("a /dev of its own"), "{error}");
        std::fs::remove_file(&service).unwrap();
        for (params, code) in [
            (json!({ "ring": ring }), -32602),
            (json!({ "ring": ring, "write": "/x", "reveal": "hide.npm" }), -32602),
            (json!({ "ring": ring, "socket": "/x", "reveal": "hide.npm" }), -32602),
            (json!({ "ring": ring, "socket": ws.at("missing") }), -32000),
            (json!({ "ring": ring, "write": "/" }), -32000),
            (json!({ "ring": ring, "write": ws.at("missing") }), -32000),
            (json!({ "ring": ring, "reveal": "hide.nonsense" }), -32000),
            (json!({ "ring": ring + 9, "reveal": "hide.npm" }), -32003),
        ] {
            let error = client.refused("grant.request", params.clone());
            assert_eq!(error["code"], code, "{params}: {error}");
        }
        client.wait().exits(0);
    }
}
