/** The status page while Postgres is away. */
import test from 'ava';
import { ownEdge, startAdminReplica } from '../support/admin.ts';
import { screenshotFile } from '../support/browser.ts';
import { openPage, startBrowser } from '../support/page.ts';
import { needs } from '../support/services.ts';
import { startOwnPostgres } from './databases.ts';

const outageTest = needs(test, 'chromium', 'postgres', 'mosquitto');

outageTest(
  'the page says that Postgres is away, keeps its figures, and goes on when it is back',
  async (t) => {
    const { postgres, database } = await startOwnPostgres(t);
    await database.query(
      "INSERT INTO service_statuses (id, instance_id, status_id, status_description, updated_at) VALUES ('a', 'a', 33, 'healthy', now())",
    );
    const { edge } = ownEdge();
    const { url } = await startAdminReplica(t, { database: database.url, transports: { edge } });
    const browser = await startBrowser();
    t.teardown(() => browser.close());
    const page = await openPage(t, browser, url);
    await page.locator('#fleet-rows').getByText('healthy').waitFor();
    await page.getByText('Nothing is held, and nothing is deferred.').waitFor();

    await postgres.stop();
    await page.locator('#status', { hasText: 'held: the database is away' }).waitFor();
    await page
      .locator('#held')
      .getByText(
        /Messages are held for less than 1 min, \d+ so far; none is lost\. The database cannot be reached: [^.]+(\.\d+)+:\d+\.$/,
      )
      .waitFor();
    t.is(await page.locator('#announce').textContent(), 'The state is now: held: the database is away');
    t.is(await page.locator('#fleet-all').textContent(), '1');
    await page.screenshot({ path: screenshotFile('outage') });
    await page.locator('#search-id').fill('a');
    await page.keyboard.press('Enter');
    await page.locator('#instance').getByText('this cannot be answered now').waitFor();
    await page.keyboard.press('Escape');

    await postgres.restart();
    await page.locator('#status', { hasText: 'ok: messages flow' }).waitFor();
    await page.getByText('Nothing is held, and nothing is deferred.').waitFor();
    await page.locator('#search-id').fill('a');
    await page.keyboard.press('Enter');
    await page.locator('#instance').getByText('has no such instance').waitFor();
  },
);
