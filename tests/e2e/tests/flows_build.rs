//! Compilers and build systems, bare and in the default ring, with the person's own warm caches.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use ringfence_e2e::{Site, Warm, flows, warm};

const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>example</groupId><artifactId>greet</artifactId><version>1</version>
<properties><maven.compiler.source>17</maven.compiler.source><maven.compiler.target>17</maven.compiler.target>
<project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
<dependencies><dependency><groupId>junit</groupId><artifactId>junit</artifactId><version>4.13.2</version><scope>test</scope></dependency></dependencies>
<build><plugins>
<plugin><artifactId>maven-resources-plugin</artifactId><version>RESOURCES</version></plugin>
<plugin><artifactId>maven-compiler-plugin</artifactId><version>COMPILER</version></plugin>
<plugin><artifactId>maven-surefire-plugin</artifactId><version>SUREFIRE</version></plugin>
</plugins></build></project>
"#;

/// The version Debian packages of a Maven plugin.
fn plugin(site: &Site, name: &str) -> String {
    site.outside(&format!("basename $(dirname $(ls /usr/share/maven-repo/org/apache/maven/plugins/{name}/[0-9]*/*.jar | tail -1))")).ok()
}

flows! {
    /// A crate with a dependency from `~/.cargo` and a test that talks to a server on localhost.
    cargo needs ["tool:cargo", "tool:cc"] |site| {
        let Some(cache) = warm(site.person(), Warm::Cargo) else { return };
        site.ws.file("Cargo.toml", "[package]\nname = \"flow\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nitoa = \"=1.0.15\"\n");
        let lock = std::fs::read_to_string(cache.join("Cargo.lock")).unwrap().replace("name = \"warm\"", "name = \"flow\"");
        site.ws.file("Cargo.lock", lock);
        site.ws.file("src/lib.rs", r#"
            pub fn shown(n: u32) -> String { itoa::Buffer::new().format(n).to_owned() }
            #[test]
            fn over_localhost() {
                use std::io::{Read, Write};
                let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                let at = server.local_addr().unwrap();
                let client = std::thread::spawn(move || {
                    let mut got = String::new();
                    std::net::TcpStream::connect(at).unwrap().read_to_string(&mut got).unwrap();
                    got
                });
                server.accept().unwrap().0.write_all(shown(42).as_bytes()).unwrap();
                assert_eq!(client.join().unwrap(), "42");
            }
        "#);
        site.run(["cargo", "build", "--offline"]).run().ok();
        let done = site.run(["cargo", "test", "--offline"]).run().ok();
        assert!(done.out().contains("over_localhost ... ok"), "{done}");
        // A second build finds the first one's work: no file's time was changed by the ring.
        let again = site.run(["cargo", "build", "--offline"]).run().ok();
        assert!(!again.err().contains("Compiling"), "{again}");
    }

    make_and_gcc needs ["tool:make", "tool:gcc"] |site| {
        site.ws.file("Makefile", "OBJ = a.o b.o c.o d.o\nprog: $(OBJ)\n\tgcc -o $@ $^\n%.o: %.c\n\tgcc -c -o $@ $<\nclean:\n\trm -f prog *.o\n");
        for name in ["b", "c", "d"] {
            site.ws.file(&format!("{name}.c"), format!("int {name}(void) {{ return 1; }}\n"));
        }
        site.ws.file("a.c", "#include <stdio.h>\nint b(void); int c(void); int d(void);\nint main(void) { printf(\"%d\\n\", b() + c() + d()); return 0; }\n");
        assert_eq!(site.sh("make -s -j4 && ./prog").ok(), "3");
        site.run(["make", "-s", "clean"]).run().ok();
        assert!(!site.ws.has("prog"));
    }

    /// A make that starts makes: they share one jobserver through a pipe or a fifo.
    make_jobserver needs ["tool:make"] |site| {
        site.ws.file("Makefile", "all: a b c\na b c:\n\t+$(MAKE) -s -C sub OUT=$@\n");
        site.ws.file("sub/Makefile", "all: one two three\none two three:\n\techo $@ > $(OUT)-$@\n");
        let done = site.run(["make", "-s", "-j3"]).run().ok();
        assert!(!done.err().contains("jobserver"), "{done}");
        assert_eq!(site.ws.read("sub/c-three"), "three\n");
    }

    cmake_and_ctest needs ["tool:cmake", "tool:ctest", "tool:cc"] |site| {
        site.ws.file("CMakeLists.txt", "cmake_minimum_required(VERSION 3.10)\nproject(flow C)\nenable_testing()\nadd_executable(one one.c)\nadd_test(NAME one COMMAND one)\n");
        site.ws.file("one.c", "int main(void) { return 0; }\n");
        site.sh("cmake -S . -B build > log && cmake --build build -j2 >> log").run().ok();
        let done = site.run(["ctest", "--test-dir", "build"]).run().ok();
        assert!(done.out().contains("100% tests passed"), "{done}");
    }

    /// A module from `~/go/pkg/mod`, and the build cache.
    go needs ["tool:go"] |site| {
        let Some(cache) = warm(site.person(), Warm::GoModule) else { return };
        site.ws.file("go.mod", "module flow\n\ngo 1.18\n\nrequire example.com/greet v1.0.0\n");
        site.ws.file("go.sum", std::fs::read(cache.join("go.sum")).unwrap());
        site.ws.file("main.go", "package main\n\nimport \"example.com/greet\"\n\nfunc main() { println(greet.Hi()) }\n");
        site.ws.file("main_test.go", "package main\n\nimport (\n\t\"testing\"\n\n\t\"example.com/greet\"\n)\n\nfunc TestHi(t *testing.T) {\n\tif greet.Hi() != \"hi\" {\n\t\tt.Fatal()\n\t}\n}\n");
        let go = |verb: &str| site.run(["go", verb, "./..."]).env("GOPROXY", "off").env("GOFLAGS", "-mod=mod").env("GONOSUMDB", "*");
        site.run(["go", "build", "-o", "prog", "."]).env("GOPROXY", "off").env("GONOSUMDB", "*").run().ok();
        assert_eq!(site.run(["./prog"]).run().ok().err(), "hi");
        go("vet").run().ok();
        go("test").run().ok();
    }

    maven needs ["tool:mvn", "tool:javac"] |site| {
        let Some(_) = warm(site.person(), Warm::Maven) else { return };
        let pom = POM
            .replace("RESOURCES", &plugin(site, "maven-resources-plugin"))
            .replace("COMPILER", &plugin(site, "maven-compiler-plugin"))
            .replace("SUREFIRE", &plugin(site, "maven-surefire-plugin"));
        site.ws.file("pom.xml", pom);
        site.ws.file("src/main/java/Greet.java", "public class Greet { static String hi() { return \"hi\"; } }\n");
        site.ws.file("src/test/java/GreetTest.java", "import org.junit.Test;\nimport static org.junit.Assert.*;\npublic class GreetTest { @Test public void hi() { assertEquals(\"hi\", Greet.hi()); } }\n");
        let done = site.run(["mvn", "-B", "-o", "test"]).run().ok();
        assert!(done.out().contains("Tests run: 1, Failures: 0"), "{done}");
    }

    gradle needs ["tool:gradle", "tool:javac"] |site| {
        site.ws.file("build.gradle", "apply plugin: 'java'\n");
        site.ws.file("src/main/java/A.java", "public class A { public static void main(String[] a) { System.out.println(\"built\"); } }\n");
        let done = site.run(["gradle", "--offline", "--no-daemon", "-q", "build"]).run().ok();
        drop(done);
        assert_eq!(site.run(["java", "-cp", "build/classes/java/main", "A"]).ok(), "built");
    }

    javac_and_java needs ["tool:javac", "tool:java"] |site| {
        site.ws.file("A.java", "import java.util.stream.*;\npublic class A { public static void main(String[] a) { System.out.println(IntStream.range(0, 100000).parallel().filter(n -> n % 2 == 0).count()); } }\n");
        site.run(["javac", "A.java"]).run().ok();
        assert_eq!(site.run(["java", "A"]).ok(), "50000");
    }

    /// A compiler's temporary files, `ld`'s, and a program that is built and run from the workspace.
    gcc_with_temporary_files needs ["tool:gcc"] |site| {
        site.ws.file("m.c", "#include <stdio.h>\nint main(void) { FILE *f = tmpfile(); return f == 0 || fputs(\"x\", f) < 0; }\n");
        site.sh("gcc -save-temps=obj -O2 -g -o m m.c && ./m && d=$(mktemp -d) && cp m $d/ && $d/m && rm -r $d").run().ok();
    }
}
