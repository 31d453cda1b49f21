import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import type { Browser, Page } from 'playwright-core';
import { deadBroker as dead, ownEdge, startAdminReplica } from '../support/admin.ts';
import { screenshotFile } from '../support/browser.ts';
import { createDatabase } from '../support/database.ts';
import { openPage, phone, startBrowser } from '../support/page.ts';
import { needs, services } from '../support/services.ts';
import { heartbeatMessage } from '../support/signed.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';
import { failedRedrive, letters, silentReplicas, thousand } from './page-fleet.ts';

const pageTest = needs(test, 'chromium', 'postgres', 'mosquitto');
const token = 'the token of this test';
const axe = readFileSync(fileURLToPath(import.meta.resolve('axe-core')), 'utf8');

let browser: Browser;
test.before(async () => {
  if (services.chromium !== undefined) browser = await startBrowser();
});
test.after.always(() => browser?.close());

/** A replica with its page, on a database that `fill` has filled. */
async function start(t: ExecutionContext, fill: ReadonlyArray<string> = [], host = '127.0.0.1') {
  const { url: database, query } = await createDatabase(t, { migrated: true });
  for (const statement of fill) await query(statement);
  const tokenFile = join(temporaryDirectory('token'), 'token');
  writeFileSync(tokenFile, `${token}\n`);
  const { edge, openGuests } = ownEdge();
  const settings = { guests: { autoRegister: true } };
  const options = { database, transports: { edge, dead }, reachable: 1, settings };
  const { url, conductor, startAgain } = await startAdminReplica(t, options, { host, tokenFile });
  const send = await openGuests(t);
  const publish = (id: string, status: string) =>
    send(id, JSON.stringify(heartbeatMessage(id, Date.now() / 1000, status)));
  return { url, query, publish, tokenFile, stop: conductor.stop, startAgain };
}

/** Each mistake that axe finds, in a line. */
async function mistakes(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const found: unknown = await page.evaluate(
    // It takes each link to a place on the page for a link that skips something.
    "axe.run({ rules: { 'skip-link': { enabled: false } } }).then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))",
  );
  if (!Array.isArray(found)) throw new TypeError('axe has found nothing to check');
  return found.map(String);
}

/** The texts of a table. */
async function cellsOf(page: Page, table: string): Promise<string[][]> {
  const rows = await page.locator(`${table} tr`).all();
  return Promise.all(rows.map((row) => row.locator('th, td').allInnerTexts()));
}

pageTest('the page of an empty fleet says so', async (t) => {
  const { url } = await start(t);
  const page = await openPage(t, browser, url);
  await page.getByText('No instance has a status yet').waitFor();
  await page.getByText('There are no dead letters').waitFor();
  await page.getByText('Transport dead has no broker').waitFor();
  t.deepEqual(await mistakes(page), []);
  await page.screenshot({ path: screenshotFile('empty'), fullPage: true });
});

pageTest(
  'the page shows a fleet by status, its silent guests, changes, replicas and what waits',
  async (t) => {
    const { url, query } = await start(t, [...thousand, letters, silentReplicas]);
    const page = await openPage(t, browser, url);
    await page.locator('#fleet-rows tr').first().waitFor();
    const statuses = await query<{ status: string; count: number }>(
      'SELECT status_description AS status, count(*)::integer AS count FROM service_statuses GROUP BY 1 ORDER BY 2 DESC',
    );
    const shown = await cellsOf(page, '#fleet-rows');
    t.deepEqual(
      shown.map(([status, count]) => [status, Number(count)]),
      statuses.map(({ status, count }) => [status, count]),
    );
    t.is(await page.locator('#fleet-all').textContent(), '1,000');
    t.like(
      shown.find(([status]) => status === 'unknown'),
      { 3: '+20' },
    );
    const silent = await cellsOf(page, '#silent');
    t.is(silent.length, 10);
    t.is(silent[0]?.[0], 'guest-1000');
    await page
      .getByText('12 deferred messages wait: their instance or backup is not in the database yet')
      .waitFor();
    const replicas = (await cellsOf(page, '#replicas')).map(([name, , sign]) => `${name}: ${sign}`);
    t.regex(
      replicas.join('\n'),
      /^ended: stopped, 10 min.* ago\nlost: gone, 10 min.* ago\ntest: \d s ago\ntest: \d s ago$/,
    );
    // Between two attempts; each one shows as connecting.
    await page.locator('#transports').getByText('no broker, tries again').waitFor();
    const transports = (await cellsOf(page, '#transports')).map((cells) => [cells[0], cells[6]]);
    t.deepEqual(transports[0], ['edge (mqtt)', '']);
    t.regex(transports[1]?.[1] ?? '', /^less than 1 min ago: .*ECONNREFUSED/);
    t.is(await page.locator('#transitions tr').count(), 20);
    t.deepEqual(await mistakes(page), []);
    await page.screenshot({ path: screenshotFile('thousand'), fullPage: true });
    await page.emulateMedia({ colorScheme: 'dark' });
    t.deepEqual(await mistakes(page), []);
    await page.screenshot({ path: screenshotFile('thousand-dark'), fullPage: true });
    await page.setViewportSize(phone);
    t.deepEqual(await mistakes(page), []);
    await page.screenshot({ path: screenshotFile('thousand-phone-dark'), fullPage: true });
    // Nothing makes the page wider than the phone.
    t.is(await page.evaluate('document.documentElement.scrollWidth'), phone.width);
  },
);

pageTest('a heartbeat shows on the page that is open, and in the plots', async (t) => {
  const { url, publish } = await start(t);
  const page = await openPage(t, browser, url);
  await page.getByText('No status has changed yet').waitFor();
  await publish('new-guest', 'healthy');
  await page.locator('#transitions').getByText('new-guest').waitFor();
  await page.locator('#fleet-rows').getByText('healthy').waitFor({ timeout: 20_000 });
  await page.locator('#latency svg[aria-label*="now"]').waitFor();
  t.regex((await page.locator('#rate svg').getAttribute('aria-label')) ?? '', /all replicas: now/);
});

pageTest('a search explains an instance, by the keyboard alone', async (t) => {
  const { url } = await start(t, thousand);
  const page = await openPage(t, browser, url);
  await page.locator('#fleet-rows tr').first().waitFor();
  await page.keyboard.press('Tab');
  t.is(await page.evaluate('document.activeElement.textContent'), 'Go to the content');
  await page.keyboard.press('Tab');
  await page.keyboard.type('guest-50');
  await page.keyboard.press('Enter');
  const dialog = page.locator('#instance');
  await dialog.getByText('its guest is silent').waitFor();
  await dialog.getByText('database 50').waitFor();
  t.is(await page.evaluate('document.activeElement.id'), 'instance-title');
  t.deepEqual(await mistakes(page), []);
  await page.screenshot({ path: screenshotFile('instance') });
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  t.is(new URL(page.url()).hash, '');
  await page.goto(`${url}#instance=${encodeURIComponent("<b>nobody's</b>")}`);
  await dialog.getByText('has no such instance').waitFor();
  t.is(await dialog.locator('h2').textContent(), "<b>nobody's</b>");
});

pageTest('dead letters are shown, edited and redriven, by whoever has the token', async (t) => {
  const { url, query } = await start(t, [...thousand, letters, failedRedrive]);
  const page = await openPage(t, browser, url);
  await page.locator('#letters').getByText('bad_argument').click();
  await page.locator('#token').fill('a wrong token, guessed');
  await page.keyboard.press('Enter');
  await page.getByText('This is not the token.').waitFor();
  await page.screenshot({ path: screenshotFile('sign-in') });
  await page.locator('#token').fill(token);
  await page.keyboard.press('Enter');
  const dialog = page.locator('#letter-list');
  await dialog.getByText('payload.service_status: must be a text').first().waitFor();
  t.is(await dialog.locator('tbody tr').count(), 50);
  t.is(
    await dialog.locator('tbody tr').first().locator('td').nth(3).innerText(),
    'redrive failed: bad_argument',
  );
  await dialog.getByText('Show more').click();
  await dialog.locator('tbody tr').nth(59).waitFor();
  await page.screenshot({ path: screenshotFile('letters') });

  await dialog.locator('tbody button').first().click();
  await dialog.locator('pre').getByText('"service_status":7').waitFor();
  t.deepEqual(await mistakes(page), []);
  const editor = dialog.locator('textarea');
  await editor.fill('no json');
  await dialog.getByText('Store this body').click();
  await dialog.getByText('the edited body is not JSON').waitFor();
  const body = {
    method: 'heartbeat',
    args: { instance_id: 'guest-60', payload: { service_status: 'crashed' }, sent: Date.now() / 1000 + 5 },
  };
  await editor.fill(JSON.stringify(body));
  await dialog.getByText('Store this body').click();
  await dialog.getByText('by status page, from 127.0.0.1').waitFor();
  await page.screenshot({ path: screenshotFile('letter') });
  await dialog.getByRole('button', { name: 'Redrive', exact: true }).click();
  await dialog.getByText('It is to be redriven').waitFor();
  const row = () => query('SELECT redrive_by, redrive_outcome FROM dead_letters ORDER BY id DESC LIMIT 1');
  await waitFor(async () => (await row())[0]?.redrive_outcome === 'applied', { what: 'the redrive' });
  t.like((await row())[0], { redrive_by: 'status page, from 127.0.0.1' });
  await page.keyboard.press('Escape');
  await page.locator('#letters').getByText('bad_argument').click();
  await dialog.getByText('Redrive all of these').click();
  await dialog.getByText('59 are to be redriven').waitFor();
  await page.keyboard.press('Escape');

  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Sign in' }).waitFor();
  await page.locator('#letters').getByText('bad_argument').click();
  await page.locator('#token').waitFor();
});

pageTest('off loopback the page asks for the token first, and again when it has changed', async (t) => {
  const { url, tokenFile } = await start(t, [], '0.0.0.0');
  const page = await openPage(t, browser, url);
  await page.locator('#token').waitFor();
  t.deepEqual(await mistakes(page), []);
  await page.screenshot({ path: screenshotFile('sign-in-page') });
  await page.keyboard.type(token);
  await page.keyboard.press('Enter');
  await page.getByText('No instance has a status yet').waitFor();
  writeFileSync(tokenFile, 'another token, long enough');
  // A page that watches goes on; the next one has to sign in.
  await waitFor(
    async () => {
      await page.reload();
      return (
        (await page.locator('#sign-in-error').count()) === 1 &&
        (await page.locator('main.alone').count()) === 1
      );
    },
    { what: 'the page on which to sign in' },
  );
});

pageTest('a replica that stops shows on the page, and one that comes back too', async (t) => {
  const { url, stop, startAgain } = await start(t);
  const page = await openPage(t, browser, url);
  await page.getByText('No instance has a status yet').waitFor();
  await stop();
  await page.getByText('The replica does not answer').waitFor();
  t.is(await page.locator('#announce').textContent(), 'The state is now: no answer');
  await startAgain();
  await page.locator('#banner').waitFor({ state: 'hidden' });
});
