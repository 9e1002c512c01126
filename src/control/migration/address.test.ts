import { expect, test } from "vitest";
import { parseChannels, parseUri, resolveNames } from "#control/migration/address.ts";

test.each([
  ["tcp:127.0.0.1:4444", { kind: "tcp", host: "127.0.0.1", port: 4444 }],
  ["tcp::0", { kind: "tcp", host: "", port: 0 }],
  ["tcp:[::1]:80", { kind: "tcp", host: "::1", port: 80 }],
  ["unix:/a b:c", { kind: "unix", path: "/a b:c" }],
  ["exec:cat >x", { kind: "exec", command: "cat >x" }],
  ["fd:17", { kind: "fd", fd: 17 }],
  ["fd:migrate", { kind: "named", name: "migrate" }],
  ["file:/s,offset=0x1000", { kind: "file", path: "/s", offset: 4096 }],
  ["file:a,b", { kind: "file", path: "a,b", offset: 0 }],
] as const)("%s", (uri, address) => {
  expect(parseUri(uri)).toEqual(address);
});

test.each([
  ["rdma:h:1", "unknown migration protocol: rdma:h:1"],
  ["tcp:h", "'h' is not HOST:PORT; an example is tcp:127.0.0.1:4444"],
  ["tcp:h:65536", "'h:65536' is not HOST:PORT; an example is tcp:127.0.0.1:4444"],
  ["unix:", "nothing follows the protocol in 'unix:'"],
  ["fd:1x", "Invalid file descriptor number '1x'"],
  ["file:f,offset=many", "offset=many is not a number of bytes"],
])("%s is refused", (uri, message) => {
  expect(() => parseUri(uri)).toThrow(message);
});

test("channels", () => {
  const main = (addr: Record<string, unknown>) => parseChannels([{ "channel-type": "main", addr }]);
  expect(main({ transport: "socket", type: "inet", host: "::1", port: "7" })).toEqual({
    kind: "tcp",
    host: "::1",
    port: 7,
  });
  expect(main({ transport: "socket", type: "unix", path: "/p" })).toEqual({ kind: "unix", path: "/p" });
  expect(main({ transport: "socket", type: "fd", str: "3" })).toEqual({ kind: "fd", fd: 3 });
  expect(main({ transport: "socket", type: "fd", str: "m" })).toEqual({ kind: "named", name: "m" });
  expect(main({ transport: "exec", args: ["echo", "it's"] })).toEqual({ kind: "exec", command: "'echo' 'it'\\''s'" });
  expect(main({ transport: "file", filename: "f", offset: 5 })).toEqual({ kind: "file", path: "f", offset: 5 });
  expect(() => main({ transport: "rdma" })).toThrow("unknown migration transport 'rdma'");
  expect(() => parseChannels([])).toThrow("needs exactly one");
});

test("names of descriptors, and sets", () => {
  const names = {
    take: (name: string) => (name === "m" ? 5 : undefined),
    inSet: (id: number) => (id === 1 ? 6 : undefined),
  };
  const resolve = (uri: string, known: typeof names | undefined = names) => resolveNames(parseUri(uri), known);
  expect(resolve("fd:m")).toEqual({ kind: "fd", fd: 5 });
  expect(() => resolve("fd:n")).toThrow("File descriptor named 'n' has not been found");
  expect(() => resolveNames(parseUri("fd:m"), undefined)).toThrow("File descriptor named 'm' has not been found");
  expect(resolve("file:/dev/fdset/1,offset=9")).toEqual({ kind: "file", path: "/proc/self/fd/6", offset: 9 });
  expect(() => resolve("file:/dev/fdset/2")).toThrow("Failed to open file '/dev/fdset/2'");
  expect(resolve("file:/dev/fdset/x")).toEqual({ kind: "file", path: "/dev/fdset/x", offset: 0 });
});
