/** Values that everybody knows, which production does not start with. */

/** As `.env.example` has its secrets, in a URL to another host too. */
const EXAMPLE = /(?<![a-z])change[-_ ]?me(?![a-z])/i

/** What is tried first by whoever tries passwords. */
const WEAK = new Set(
  '123456 12345678 123456789 admin admin-secret changeit fraud kafka letmein pass passw0rd password postgres qwerty root secret test user weir'.split(
    ' ',
  ),
)

/**
 * @param raw settings as they were given, by name
 * @param env what else there is, for Node
 */
export function productionFaults(raw: Readonly<Record<string, string>>, env: NodeJS.ProcessEnv): string[] {
  const faults: string[] = []
  for (const [name, value] of Object.entries(raw)) {
    if (EXAMPLE.test(value)) faults.push(`${name}: still the value of .env.example, which production refuses`)
  }
  for (const [name, { user, password }] of passwords(raw)) {
    if (WEAK.has(password.toLowerCase()) || (password !== '' && password === user))
      faults.push(`${name}: the password is one that is guessed at once, which production refuses`)
  }
  if (raw.WEIR_FAILPOINT !== undefined)
    faults.push('WEIR_FAILPOINT: kills the process for a test, which production refuses')
  if (env.NODE_TLS_REJECT_UNAUTHORIZED === '0')
    faults.push(
      'NODE_TLS_REJECT_UNAUTHORIZED: 0 lets anybody pose as PostgreSQL, Kafka and the registry, which production refuses. ' +
        'Take it out, and name the authority: sslrootcert, KAFKA_SSL_CA_FILE, SCHEMA_REGISTRY_CA_FILE',
    )
  return faults
}

function* passwords(raw: Readonly<Record<string, string>>): Generator<[string, Login]> {
  for (const name of ['DATABASE_URL', 'SCHEMA_REGISTRY_URL'])
    if (raw[name] !== undefined && URL.canParse(raw[name])) yield [name, loginOf(raw[name])]
  for (const whose of ['KAFKA_SASL', 'SCHEMA_REGISTRY']) {
    const password = raw[`${whose}_PASSWORD`]
    if (password !== undefined)
      yield [`${whose}_PASSWORD`, { user: raw[`${whose}_USERNAME`] ?? '', password }]
  }
}

interface Login {
  user: string
  password: string
}

function loginOf(url: string): Login {
  const { username, password, searchParams } = new URL(url)
  return {
    user: searchParams.get('user') ?? decoded(username),
    password: searchParams.get('password') ?? decoded(password),
  }
}

/** A password may hold a % that begins no code. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
