// Signs a request with the SDK for TypeScript and JavaScript, as its documentation describes it.
// argv: config file, profile, endpoint.
import common from 'oci-common';

const [file, profile, endpoint] = process.argv.slice(2);
const provider = new common.SessionAuthDetailProvider(file, profile);
const client = new common.FetchHttpClient(new common.DefaultRequestSigner(provider));
const request = await common.composeRequest({
  baseEndpoint: endpoint, path: '/n/', method: 'GET', defaultHeaders: { 'user-agent': `oci-common region ${provider.getRegion().regionId}` },
});
const response = await client.send(request);
if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
console.log(await response.json());
