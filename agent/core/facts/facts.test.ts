import { describe, expect, test } from "bun:test";
import { parseCpuInfo } from "./cpu-info.ts";
import { factRefusal } from "./facts.ts";
import { parseMemInfo } from "./mem-info.ts";
import { parseMounts } from "./mounts.ts";
import { osFacts, parseAssignments } from "./os-release.ts";
import { addressesByRoute, ipv6, parseAddresses6, parseDefaultRoutes6, parseLocalAddresses4, parseRoutes4 } from "./routes.ts";

describe("os", () => {
  test("a derivative names its family", () => {
    const release = parseAssignments(
      'NAME="Ubuntu"\n# comment\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\nPRETTY_NAME="Ubuntu 24.04 \\"LTS\\""\nVERSION_CODENAME=noble\n',
    );
    expect(osFacts(release)).toEqual({ id: "ubuntu", family: "debian", name: 'Ubuntu 24.04 "LTS"', version: "24.04", major: 24, codename: "noble" });
    expect(osFacts(parseAssignments("ID=rocky\nID_LIKE='rhel centos fedora'\nVERSION_ID=9.4\n"))).toMatchObject({ family: "redhat", major: 9 });
    expect(osFacts(new Map())).toMatchObject({ id: "unknown", family: "unknown", major: 0 });
  });
});

describe("cpu and memory", () => {
  test("cores and sockets are counted", () => {
    const core = (id: number, socket: number): string =>
      `processor\t: ${id}\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon\nphysical id\t: ${socket}\nflags\t\t: fpu hypervisor\n`;
    expect(parseCpuInfo([core(0, 0), core(1, 0), core(2, 1), core(3, 1)].join("\n"))).toEqual({
      count: 4,
      sockets: 2,
      model: "Xeon",
      vendor: "GenuineIntel",
      virtual: true,
    });
    expect(parseCpuInfo("processor\t: 0\nCPU implementer\t: 0x41\n\nHardware\t: BCM2835\nModel\t\t: Raspberry Pi 4\n")).toMatchObject({
      count: 1,
      model: "Raspberry Pi 4",
      virtual: false,
    });
  });

  test("meminfo is in bytes", () => {
    expect(parseMemInfo("MemTotal:       1024 kB\nHugePages_Total:   3\n")).toEqual(
      new Map([
        ["MemTotal", 1_048_576],
        ["HugePages_Total", 3],
      ]),
    );
  });
});

test("mounts: data only, escapes undone, sorted", () => {
  const text = "proc /proc proc rw 0 0\n/dev/sdb1 /srv/my\\040data ext4 ro,relatime 0 0\n/dev/sda1 / ext4 rw 0 0\noverlay /var/lib/docker/x overlay rw 0 0\n";
  expect(parseMounts(text)).toEqual([
    { device: "/dev/sda1", mount: "/", type: "ext4", readOnly: false },
    { device: "/dev/sdb1", mount: "/srv/my data", type: "ext4", readOnly: true },
  ]);
});

describe("network", () => {
  const routes = parseRoutes4(
    [
      "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU",
      "eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0",
      "eth0\t0000A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0",
      "eth1\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0",
      "down\t00000000\t00000000\t0000\t0\t0\t0\t00000000\t0",
    ].join("\n"),
  );

  test("routes are read from their hexadecimal", () => {
    expect(routes[0]).toEqual({ interface: "eth0", destination: "0.0.0.0", prefix: 0, gateway: "192.168.0.1", metric: 100 });
    expect(routes[1]).toEqual({ interface: "eth0", destination: "192.168.0.0", prefix: 24, gateway: "", metric: 100 });
    expect(routes).toHaveLength(3);
  });

  test("an address belongs to the on-link route that holds it; doubt is not guessed away", () => {
    expect(addressesByRoute(["192.168.0.7", "127.0.0.1", "10.1.2.3"], routes)).toEqual([
      { interface: "eth0", address: "192.168.0.7/24" },
      { interface: "lo", address: "127.0.0.1/8" },
      { interface: "eth1", address: "10.1.2.3/8" },
    ]);
    expect(addressesByRoute(["100.64.0.1"], routes)).toBeUndefined();
    expect(
      addressesByRoute(["192.168.0.7"], [...routes, { interface: "wlan0", destination: "192.168.0.0", prefix: 24, gateway: "", metric: 600 }]),
    ).toBeUndefined();
  });

  test("local addresses are those of the local table", () => {
    const trie =
      "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 192.168.0.0\n        /24 link UNICAST\nLocal:\n     |-- 192.168.0.7\n        /32 host LOCAL\n     |-- 192.168.0.255\n        /32 link BROADCAST\n";
    expect(parseLocalAddresses4(trie)).toEqual(["192.168.0.7"]);
  });

  test("IPv6 is written as RFC 5952 says", () => {
    expect(ipv6("fe800000000000000000fcfffe000001")).toBe("fe80::fcff:fe00:1");
    expect(ipv6("00000000000000000000000000000001")).toBe("::1");
    expect(ipv6("00000000000000000000000000000000")).toBe("::");
    expect(ipv6("20010db8000000010001000100010001")).toBe("2001:db8:0:1:1:1:1:1");
    expect(ipv6("20010db8000000000001000000000001")).toBe("2001:db8::1:0:0:1");
    expect(parseAddresses6("fd000000000000000000000000000002 02 40 00 80 eth0\n")).toEqual([{ interface: "eth0", address: "fd00::2/64" }]);
    const zero = "0".repeat(32);
    expect(
      parseDefaultRoutes6(
        `${zero} 00 ${zero} 00 fe800000000000000000000000000001 00000400 1 0 00000003 eth0\n${zero} 00 ${zero} 00 ${zero} ffffffff 1 0 00200200 lo\n`,
      ),
    ).toEqual([{ interface: "eth0", destination: "::", prefix: 0, gateway: "fe80::1", metric: 1_024 }]);
  });
});

test("custom facts have bounds, and names that cannot poison a map", () => {
  expect(factRefusal({ rack: "b2", disks: [1, 2, null, true] })).toBeUndefined();
  expect(factRefusal(JSON.parse('{"__proto__": {"admin": true}}'))).toBe('the name "__proto__"');
  expect(factRefusal({ "a b": 1 })).toBe('the name "a b"');
  expect(factRefusal([[[[[[[[[1]]]]]]]]])).toBe("more than 8 levels");
  expect(factRefusal(Array.from({ length: 5_000 }, () => 1))).toBe("more than 4096 values");
  expect(factRefusal("x".repeat(5_000))).toBe("a text of more than 4096 characters");
  expect(factRefusal(Number.POSITIVE_INFINITY)).toBe("a number that is not finite");
});
