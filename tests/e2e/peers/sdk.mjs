// The SDK for TypeScript and JavaScript, as its documentation describes it. argv: config file, profile, endpoint. A line of
// stdin is a request: `new` makes the client first, `again` uses the client that is there. A line of stdout is its answer.
import common from 'oci-common';
import readline from 'node:readline';

const [file, profile, endpoint] = process.argv.slice(2);
let provider, client;

async function ask() {
  const request = await common.composeRequest({
    baseEndpoint: endpoint, path: '/n/', method: 'GET', defaultHeaders: { 'user-agent': `oci-common region ${provider.getRegion().regionId}` },
  });
  const response = await client.send(request);
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  return response.json();
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  try {
    if (line === 'new') {
      provider = new common.SessionAuthDetailProvider(file, profile);
      client = new common.FetchHttpClient(new common.DefaultRequestSigner(provider));
    }
    console.log(JSON.stringify({ answer: await ask() }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
