/** The status page in a real browser. */
import type { ExecutionContext } from 'ava';
import { type Browser, chromium, type Page } from 'playwright-core';
import { service } from './services.ts';

export interface Look {
  /** By default a desktop's. */
  readonly size?: { readonly width: number; readonly height: number };
  readonly isDark?: boolean;
}

export const phone = { width: 390, height: 844 };

/** Starts the browser. The test needs `chromium`. Close it in the end. */
export function startBrowser(): Promise<Browser> {
  // Root may not use the sandbox, and a container has little shared memory.
  return chromium.launch({
    executablePath: service('chromium').program,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
}

/** A page that fails the test if it reports an error, such as a breach of the content security policy. */
export async function openPage(
  t: ExecutionContext,
  browser: Browser,
  url: string,
  { size = { width: 1280, height: 900 }, isDark = false }: Look = {},
): Promise<Page> {
  const context = await browser.newContext({ viewport: size, colorScheme: isDark ? 'dark' : 'light' });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (line) => {
    // The browser reports each refused request, which a page may expect.
    if (line.type() === 'error' && !line.text().startsWith('Failed to load resource'))
      errors.push(line.text());
  });
  const foreign: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(url)) foreign.push(request.url());
  });
  t.teardown(async () => {
    await context.close();
    if (errors.length > 0) throw new Error(`the page reports errors: ${errors.join('; ')}`);
    if (foreign.length > 0) throw new Error(`the page asks others: ${foreign.join(', ')}`);
  });
  await page.goto(url);
  return page;
}
