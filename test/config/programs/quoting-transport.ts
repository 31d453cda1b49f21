import { inspect } from 'node:util';
import * as conductor from '../../../src/public/transport.ts';

/** A transport without a broker, whose errors quote all that it was given, as some client libraries do. */

const schema = {
  ...conductor.commonSchema('quoting', ['none']),
  url: { doc: 'The address.', default: 'quoting://127.0.0.1', format: String, sensitive: true },
};

export default conductor.defineKind(schema, ({ password, url, auth: { key } }, { name }) => ({
  name,
  connect: async () => {
    const options = { password, url, key };
    throw new conductor.NotConnected(
      `${password}, ${url}, ${key}, ${encodeURIComponent(password)}, ${JSON.stringify(options)}, ${inspect(options)}`,
    );
  },
}));
