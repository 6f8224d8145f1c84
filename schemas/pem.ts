const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/** The certificates of a PEM file, each as text. One that is cut off is none of them. */
export const certificatesIn = (pem: string): string[] => pem.match(CERTIFICATE) ?? []
