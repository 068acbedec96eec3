// An OpenID provider on this computer, as the peer package of the tests wants it. Its
// one argument is JSON: {"port", "redirect", "client", "secret", "people": {"login": {claims}}}.
import Provider from 'oidc-provider';

const { port, redirect, client, secret, people } = JSON.parse(process.argv[2]);

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: client, client_secret: secret, redirect_uris: [redirect] }],
  pkce: { required: () => true, methods: ['S256'] },
  scopes: ['openid', 'profile', 'email', 'groups'],
  claims: {
    openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email', 'email_verified'], groups: ['groups'],
    acr: null, auth_time: null,
  },
  features: { devInteractions: { enabled: true } },
  cookies: { keys: ['of a test'] },
  async findAccount(ctx, sub) {
    const claims = people[sub];
    return claims && { accountId: sub, claims: async () => ({ sub, ...claims }) };
  },
});
provider.on('server_error', (ctx, err) => console.error(err));
provider.listen(port, '127.0.0.1');
