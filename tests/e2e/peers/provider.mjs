// A certified OpenID provider (npm `oidc-provider`), set up as a strict company would: PKCE for
// everybody, refresh tokens that rotate, access tokens as JWTs. The pages on which a person signs in and
// consents are its own.
//
// argv: one JSON document {port, clients, accessTokenLife}. A line on stdout says that it listens.
import Provider from 'oidc-provider';
import { generateKeyPairSync } from 'node:crypto';

const { port, clients, accessTokenLife } = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

const provider = new Provider(issuer, {
  clients,
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: 'e2e' }] },
  cookies: { keys: ['a key for the cookies of a test'] },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  // As OCI's rule does, whoever asks for offline_access gets a refresh token; but only a person's
  // consent brings it (OpenID Connect Core 11), so woci's URL carries prompt=consent.
  scopes: ['openid', 'offline_access'],
  ttl: { AccessToken: accessTokenLife, RefreshToken: 7 * 24 * 3600, Session: 3600, Grant: 7 * 24 * 3600, Interaction: 600 },
  features: {
    devInteractions: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'https://oci.example',
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: '', audience: 'https://oci.example', accessTokenTTL: accessTokenLife,
        accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
});

// What it said no to, for a test that fails to show.
for (const event of ['authorization.error', 'grant.error', 'server_error']) {
  provider.on(event, (ctx, error) => console.error(event, error.error, error.error_description, error.error_detail ?? ''));
}
// One line for each grant that it honoured: that is how a test knows what woci really asked for.
provider.on('grant.success', (ctx) => console.log(JSON.stringify({ grant: ctx.oidc.params.grant_type, client: ctx.oidc.client.clientId })));
provider.on('grant.revoked', () => console.log(JSON.stringify({ revoked: true })));

provider.listen(port, '127.0.0.1', () => console.log(JSON.stringify({ listening: issuer })));

// Whoever started it holds its standard input; a test that was killed leaves nothing running.
process.stdin.resume().on('end', () => process.exit());
