//! Debuggers, tracers, databases, watchers and servers, bare and in the default ring.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use ringfence_e2e::flows;

flows! {
    gdb_breakpoint needs ["tool:gdb", "tool:gcc"] |site| {
        site.ws.file("p.c", "int twice(int n) { return 2 * n; }\nint main(void) { return twice(21) - 42; }\n");
        site.outside("gcc -g -O0 -o p p.c").ok();
        let done = site.run(["gdb", "-q", "-batch", "-nx", "-ex", "break twice", "-ex", "run", "-ex", "print n", "-ex", "continue", "./p"]).run().ok();
        assert!(done.out().contains("$1 = 21") && done.out().contains("exited normally"), "{done}");
    }

    strace_of_a_child needs ["tool:strace"] |site| {
        let done = site.run(["strace", "-f", "-o", "log", "sh", "-c", "echo traced; /bin/true"]).run().ok();
        assert_eq!(done.out(), "traced");
        assert!(site.ws.read("log").contains("write(1, \"traced\\n\""));
    }

    valgrind_of_a_child needs ["tool:valgrind", "tool:gcc"] |site| {
        site.ws.file("v.c", "#include <stdlib.h>\nint main(void) { char *p = malloc(8); p[7] = 1; free(p); return p == 0; }\n");
        site.outside("gcc -g -o v v.c").ok();
        let done = site.run(["valgrind", "--error-exitcode=9", "--leak-check=full", "./v"]).run().ok();
        assert!(done.err().contains("ERROR SUMMARY: 0 errors"), "{done}");
    }

    sqlite needs ["tool:sqlite3"] |site| {
        let said = site.run(["sqlite3", "a.db", "pragma journal_mode=wal; create table t(n); insert into t values (1),(2); select sum(n) from t;"]).ok();
        assert_eq!(said, "wal\n3");
        assert_eq!(site.outside("sqlite3 a.db 'select count(*) from t'").ok(), "2");
    }

    inotify_watcher needs ["tool:inotifywait"] |site| {
        // The watcher says when it watches; what it then sees is made by the same ring.
        site.sh("inotifywait -m -e create --format %f . > seen 2> said & w=$!
                 while ! grep -q established said; do :; done
                 touch made
                 while ! grep -q made seen; do :; done
                 kill $w; wait $w || true").run().ok();
        assert!(site.ws.read("seen").contains("made"));
    }

    dev_server_on_localhost needs ["tool:python3", "tool:curl"] |site| {
        site.ws.file("page/index.html", "the page\n");
        site.ws.file("serve.py", "import functools, http.server\nh = functools.partial(http.server.SimpleHTTPRequestHandler, directory='page')\ns = http.server.ThreadingHTTPServer(('localhost', 0), h)\nopen('port.new', 'w').write(str(s.server_port))\nimport os; os.rename('port.new', 'port')\ns.serve_forever()\n");
        let said = site.sh("python3 serve.py 2> log & s=$!
                 while ! test -e port; do :; done
                 curl -sS --noproxy '*' http://localhost:$(cat port)/index.html
                 curl -sS --noproxy '*' http://127.0.0.1:$(cat port)/index.html
                 kill $s; wait $s || true").ok();
        assert_eq!(said, "the page\nthe page");
    }

    /// Archives keep their modes and times.
    archives needs ["tool:tar"] |site| {
        site.ws.file("in/a", "a");
        site.sh("chmod 750 in/a && ln -s a in/l && ln in/a in/h && tar czf x.tgz in && mkdir out && tar xzf x.tgz -C out && cmp in/a out/in/a && test -L out/in/l && test $(stat -c %a out/in/a) = 750 && test $(stat -c %h out/in/a) = 2").run().ok();
    }

    /// What scripts do all day: pipes, fifos, process substitution, temporary files, traps.
    shell_script needs ["tool:bash"] |site| {
        let said = site.run(["bash", "-euc", "mkfifo f && { echo through > f & } && cat f && diff <(seq 3) <(seq 3) && t=$(mktemp) && trap 'rm $t; echo trapped' EXIT && seq 1000 | sort -n | tail -1 | tee $t && flock lock true && timeout 5 true"]).ok();
        assert_eq!(said, "through\n1000\ntrapped");
    }

    /// The ring's own /tmp works. What others have in the machine's shows through: each name is one of its own.
    temporary_directory needs ["tool:sh"] |site| {
        site.sh("echo x > /tmp/e2e-$$ && test -e /tmp/e2e-$$ && rm /tmp/e2e-$$
                 test -w /var/tmp && test -w /dev/shm && test -d \"$TMPDIR\" && t=$(mktemp) && test \"${t#/tmp/}\" != \"$t\" && rm $t").env("TMPDIR", "/tmp").run().ok();
    }

    find_and_xargs needs ["tool:find", "tool:xargs"] |site| {
        for n in 0..200 {
            site.ws.file(&format!("d/f{n}"), "x");
        }
        assert_eq!(site.sh("find d -type f -print0 | xargs -0 -P4 -n10 cat | wc -c").ok(), "200");
    }
}
