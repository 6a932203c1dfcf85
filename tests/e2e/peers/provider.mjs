// A certified OpenID provider (npm `oidc-provider`) with strict settings: PKCE required, refresh tokens that
// rotate, access tokens as JWTs. The sign-in and consent pages are its own.
//
// argv: one JSON document {port, clients, accessTokenLife}. It prints a line when it listens.
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
  // As at OCI, the scope offline_access asks for a refresh token. It is issued only after the person's consent
  // (OpenID Connect Core 11), so woci's authorization URL has prompt=consent.
  scopes: ['openid', 'offline_access'],
  ttl: { AccessToken: accessTokenLife, RefreshToken: 7 * 24 * 3600, Session: 3600, Grant: 7 * 24 * 3600, Interaction: 600 },
  features: {
    devInteractions: { enabled: true },
    revocation: { enabled: true },
    deviceFlow: { enabled: true },
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

// Prints refusals, to be shown when a test fails.
for (const event of ['authorization.error', 'grant.error', 'server_error']) {
  provider.on(event, (ctx, error) => console.error(event, error.error, error.error_description, error.error_detail ?? ''));
}
// Prints a line for each grant, so that a test can see what woci requested.
provider.on('grant.success', (ctx) => console.log(JSON.stringify({ grant: ctx.oidc.params.grant_type, client: ctx.oidc.client.clientId })));
provider.on('grant.revoked', () => console.log(JSON.stringify({ revoked: true })));

provider.listen(port, '127.0.0.1', () => console.log(JSON.stringify({ listening: issuer })));

// Ends when its stdin is closed, so that it does not outlive a test that was killed.
process.stdin.resume().on('end', () => process.exit());
