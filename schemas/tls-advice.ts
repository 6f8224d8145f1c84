/** Whose connection failed, in the words of the settings. */
export interface TlsNames {
  /** "the broker" */
  server: string
  /** The setting of the authorities that we trust. */
  ca: string
  /** The settings of our own certificate. */
  identity: string
}

/** By what Node and OpenSSL call them, in an error's code or message: the clients keep now one, now the other. */
const FAULTS: [RegExp, (names: TlsNames) => string][] = [
  [
    /ALT_?NAME_INVALID|does not match certificate's altnames/i,
    ({ server }) =>
      `The certificate of ${server} was not made for this name. Connect by a name or address that it holds, or have one made that holds this one.`,
  ],
  [
    /CERT_HAS_EXPIRED|certificate has expired/i,
    ({ server }) =>
      `The certificate of ${server}, or of its authority, has run out: have a new one made. (Or is this machine's clock wrong?)`,
  ],
  [
    /CERT_NOT_YET_VALID|certificate is not yet valid/i,
    ({ server }) => `The certificate of ${server} is not valid yet: is this machine's clock wrong?`,
  ],
  [
    /ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_UNKNOWN|CERTIFICATE_EXPIRED|HANDSHAKE_FAILURE)|alert (certificate required|bad certificate|unknown ca|certificate unknown|certificate expired|handshake failure)/i,
    ({ server, identity }) =>
      `By this alert ${server} asks for a certificate of ours, or refuses the one that it got: see ${identity}.`,
  ],
  [
    /SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY)|CERT_(SIGNATURE_FAILURE|UNTRUSTED)|self-signed certificate|unable to (get|verify) /i,
    ({ server, ca }) =>
      `The certificate of ${server} is signed by nobody that we trust: ${ca} must name the PEM file of its authority (and the server must send the certificates in between).`,
  ],
  [
    /WRONG_VERSION_NUMBER|wrong version number|PACKET_LENGTH_TOO_LONG/i,
    ({ server }) => `Does ${server} speak TLS on this port, in version 1.2 or later?`,
  ],
]

/** What to do about a TLS connection that could not be made; undefined for an error that is none of these. */
export function tlsAdvice(error: Error, names: TlsNames): string | undefined {
  const { code = '' } = error as { code?: unknown }
  const text = `${code} ${error.message}`
  return FAULTS.find(([pattern]) => pattern.test(text))?.[1](names)
}
