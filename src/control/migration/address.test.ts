import { expect, test } from "vitest";
import { parseChannels, parseUri } from "#control/migration/address.ts";

test.each([
  ["tcp:127.0.0.1:4444", { kind: "tcp", host: "127.0.0.1", port: 4444 }],
  ["tcp::0", { kind: "tcp", host: "", port: 0 }],
  ["tcp:[::1]:80", { kind: "tcp", host: "::1", port: 80 }],
  ["unix:/a b:c", { kind: "unix", path: "/a b:c" }],
  ["exec:cat >x", { kind: "exec", command: "cat >x" }],
  ["fd:17", { kind: "fd", fd: 17 }],
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
  ["fd:x", "'x' is not the number of a descriptor"],
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
  expect(main({ transport: "exec", args: ["echo", "it's"] })).toEqual({ kind: "exec", command: "'echo' 'it'\\''s'" });
  expect(main({ transport: "file", filename: "f", offset: 5 })).toEqual({ kind: "file", path: "f", offset: 5 });
  expect(() => main({ transport: "rdma" })).toThrow("unknown migration transport 'rdma'");
  expect(() => parseChannels([])).toThrow("needs exactly one");
});
