import "reflect-metadata";
import * as x509 from "@peculiar/x509";

/** A certificate such as a hub makes for itself: P-256, CA:FALSE; only for tests. */
export async function selfSigned(names: readonly string[]): Promise<{ readonly certPem: string; readonly keyPem: string; readonly pin: string }> {
  const keys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: "01",
    name: "CN=felhom hub",
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 3_600_000),
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: /^[0-9.]+$/.test(value) ? ("ip" as const) : ("dns" as const), value }))),
    ],
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  const spki = await crypto.subtle.exportKey("spki", keys.publicKey);
  const pin = Buffer.from(await crypto.subtle.digest("SHA-256", spki)).toString("base64url");
  return { certPem: certificate.toString("pem"), keyPem: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`, pin };
}
