// A real OpenID provider for the tests: oidc-provider, with people whom a test may sign in as by
// their name and any password. It prints where it is and what time it has, as one line of JSON, and
// has other keys after POST /rotate.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

const { default: Provider } = await import(process.env.OIDC_PROVIDER);

const people = {
  ada: { email: 'ada@flow8.test', email_verified: true, groups: ['flow-makers'] },
  bob: { email: 'Bob@flow8.test', email_verified: true, groups: ['flow-makers', 'cooks'], name: 'Bob B.' },
  eve: { email: 'eve@flow8.test', email_verified: true, groups: [] },
  grace: { email: 'grace@flow8.test', email_verified: true, groups: ['flow-makers'] },
  mallory: { email: 'ada@flow8.test', email_verified: false, groups: ['flow-makers'] },
  twin: { email: 'ada@flow8.test', email_verified: true, groups: ['flow-makers'] },
};

const client = (client_id, more) => ({
  client_id,
  client_secret: `the secret of ${client_id}: 100% + more`,
  redirect_uris: ['https://flow8.test/api/auth/callback'],
  ...more,
});

const key = (alg, type, options) => {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg, use: 'sig' };
};

const server = createServer((request, response) => {
  if (request.method === 'POST' && request.url === '/rotate') {
    answer = provider();
    response.end();
  } else {
    answer(request, response);
  }
});
await new Promise((listens) => server.listen(0, '127.0.0.1', listens));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = () =>
  new Provider(issuer, {
    clients: [
      client('flow8'),
      client('post', { token_endpoint_auth_method: 'client_secret_post' }),
      client('bare', { client_secret: undefined, token_endpoint_auth_method: 'none' }),
      client('elliptic', { id_token_signed_response_alg: 'ES256' }),
    ],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'] },
    cookies: { keys: [randomUUID()] },
    findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
    jwks: { keys: [key('RS256', 'rsa', { modulusLength: 2048 }), key('ES256', 'ec', { namedCurve: 'P-256' })] },
    pkce: { required: () => true, methods: ['S256'] },
  }).callback();

let answer = provider();
console.log(JSON.stringify({ issuer, now: Date.now() }));
