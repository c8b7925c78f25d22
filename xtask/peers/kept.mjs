// What a command costs with srt's library in a program that stays: its manager is made ready once. Reads
// a line for each command, its words with tabs between them; prints the microseconds that took, or `failed`.
import { SandboxManager } from "@anthropic-ai/sandbox-runtime";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const quoted = (word) => `'${word.replaceAll("'", `'\\''`)}'`;

await SandboxManager.initialize(JSON.parse(readFileSync(process.argv[2], "utf8")));
for await (const line of createInterface({ input: process.stdin })) {
  const start = process.hrtime.bigint();
  const command = await SandboxManager.wrapWithSandbox(line.split("\t").map(quoted).join(" "));
  const child = spawn(command, { shell: true, stdio: "ignore" });
  const code = await new Promise((ended) => child.on("exit", ended));
  SandboxManager.cleanupAfterCommand();
  const took = (process.hrtime.bigint() - start) / 1000n;
  process.stdout.write(code === 0 ? `${took}\n` : "failed\n");
}
await SandboxManager.reset();
process.exit(0);
