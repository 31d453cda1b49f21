/**
 * A straightforward consumer, as a tutorial writes it: one message, one upsert, one acknowledgement. It acknowledges after the commit, and ten
 * messages are under way at once, one for each connection to Postgres.
 */
import { connect } from 'amqplib';
import pg from 'pg';

const [broker, database] = process.argv.slice(2);
const parallel = 10;
const pool = new pg.Pool({ connectionString: database, max: parallel });
const connection = await connect(broker);
const channel = await connection.createChannel();
await channel.prefetch(parallel);
await channel.consume('trove-conductor', async (message) => {
  const { method, args } = JSON.parse(JSON.parse(message.content)['oslo.message']);
  if (method === 'heartbeat')
    await pool.query(
      `INSERT INTO service_statuses (id, instance_id, status_id, status_description, updated_at, sent)
       VALUES ($1, $1, $2, $3, now() AT TIME ZONE 'utc', $4)
       ON CONFLICT (instance_id) DO UPDATE SET status_id = excluded.status_id, status_description = excluded.status_description,
         updated_at = excluded.updated_at, sent = excluded.sent
       WHERE service_statuses.sent < excluded.sent`,
      [
        args.instance_id,
        args.payload.service_status === 'healthy' ? 33 : 1,
        args.payload.service_status,
        args.sent,
      ],
    );
  channel.ack(message);
});
