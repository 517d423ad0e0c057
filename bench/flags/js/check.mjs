// Asks a running weir for the flags that bench/flags applied, through
// OpenFeature's SDKs for servers and for browsers. Usage: check.mjs URL KEY
import assert from 'node:assert/strict';
import { OpenFeature } from '@openfeature/server-sdk';
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { OpenFeature as Web, ProviderEvents } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';

const [url, key] = process.argv.slice(2);
const headers = [['Authorization', `Bearer ${key}`]];
const user = { targetingKey: 'user-1', plan: 'pro', account: { tier: { level: 3 } } };

await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: url, headers }));
const server = OpenFeature.getClient();

const checkout = await server.getBooleanDetails('new-checkout', false, user);
assert.equal(checkout.value, true);
assert.equal(checkout.variant, 'on');
assert.equal(checkout.reason, 'TARGETING_MATCH');
assert.equal(await server.getBooleanValue('new-checkout', true, { targetingKey: 'user-2', plan: 'free' }), false);
assert.equal(await server.getStringValue('banner', '?', user), 'hello');
assert.equal(await server.getNumberValue('page-size', 0, user), 12.5);
assert.deepEqual(await server.getObjectValue('theme', {}, user), { bg: '#fff', sizes: [1, 2] });
assert.equal((await server.getBooleanDetails('half', false, user)).reason, 'SPLIT');

const missing = await server.getBooleanDetails('nobody-made-this', true, user);
assert.equal(missing.value, true);
assert.equal(missing.errorCode, 'FLAG_NOT_FOUND');
const keyless = await server.getBooleanDetails('half', true, {});
assert.equal(keyless.value, true);
assert.equal(keyless.errorCode, 'TARGETING_KEY_MISSING');
assert.equal((await server.getStringDetails('new-checkout', 'mine', user)).errorCode, 'TYPE_MISMATCH');

// The same user has the same variant, whoever asks.
const shares = { true: 0, false: 0 };
const first = new Map();
for (let i = 0; i < 400; i++) {
  const value = await server.getBooleanValue('half', false, { targetingKey: `u${i}` });
  first.set(`u${i}`, value);
  shares[value]++;
}
assert.ok(shares.true > 140 && shares.true < 260, `half of 400 users: ${shares.true}`);

// Browsers fetch all flags of a user at once, and again when they changed.
await Web.setContext(user);
await Web.setProviderAndWait(new OFREPWebProvider({ baseUrl: url, options: { headers }, headers, pollInterval: 200 }));
const browser = Web.getClient();
assert.equal(browser.getBooleanValue('new-checkout', false), true);
assert.deepEqual(browser.getObjectValue('theme', {}), { bg: '#fff', sizes: [1, 2] });
for (const name of ['u1', 'u2', 'u3', 'u4']) {
  await Web.setContext({ targetingKey: name });
  assert.equal(browser.getBooleanValue('half', false), first.get(name));
}
await Web.setContext(user);
const changed = new Promise((done) => browser.addHandler(ProviderEvents.ConfigurationChanged, done));
console.log('ready for the kill');
const deadline = setTimeout(() => { console.error('the browser heard nothing of the kill'); process.exit(1); }, 20000);
await changed;
clearTimeout(deadline);
assert.equal(browser.getBooleanValue('new-checkout', true), false);
assert.equal(await server.getBooleanValue('new-checkout', true, user), false);

await Web.close();
await OpenFeature.close();
console.log('OpenFeature for servers and for browsers: all as expected');
