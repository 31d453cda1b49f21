/**
 * A NestJS microservice with TypeORM, written without decorators' syntax, which Node does not read. It acknowledges by hand after the upsert.
 */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, Payload, Transport } from '@nestjs/microservices';
import { getRepositoryToken, TypeOrmModule } from '@nestjs/typeorm';
import { EntitySchema } from 'typeorm';

const [broker, database] = process.argv.slice(2);

const Status = new EntitySchema({
  name: 'Status',
  tableName: 'service_statuses',
  columns: {
    id: { type: 'varchar', primary: true },
    instanceId: { type: 'varchar', name: 'instance_id', unique: true },
    statusId: { type: 'integer', name: 'status_id' },
    description: { type: 'varchar', name: 'status_description' },
    updatedAt: { type: 'timestamp', name: 'updated_at' },
    sent: { type: 'double precision' },
  },
});

class Heartbeats {
  constructor(statuses) {
    this.statuses = statuses;
  }

  async heartbeat({ instance_id, sent, payload }, context) {
    const row = {
      id: instance_id,
      instanceId: instance_id,
      statusId: payload.service_status === 'healthy' ? 33 : 1,
      description: payload.service_status,
      updatedAt: new Date(),
      sent,
    };
    await this.statuses
      .createQueryBuilder()
      .insert()
      .values(row)
      .orUpdate(['status_id', 'status_description', 'updated_at', 'sent'], ['instance_id'], {
        // The name of the entity is the alias of its table.
        overwriteCondition: { where: '"Status".sent < excluded.sent' },
      })
      .execute();
    context.getChannelRef().ack(context.getMessage());
  }
}
const { prototype } = Heartbeats;
EventPattern('heartbeat')(prototype, 'heartbeat', Object.getOwnPropertyDescriptor(prototype, 'heartbeat'));
Payload()(prototype, 'heartbeat', 0);
Ctx()(prototype, 'heartbeat', 1);
Reflect.defineMetadata('design:paramtypes', [Object], Heartbeats);
Reflect.defineMetadata('self:paramtypes', [{ index: 0, param: getRepositoryToken(Status) }], Heartbeats);
const { Controller } = await import('@nestjs/common');
Controller()(Heartbeats);

class App {}
Module({
  imports: [
    TypeOrmModule.forRoot({ type: 'postgres', url: database, entities: [Status], poolSize: 10 }),
    TypeOrmModule.forFeature([Status]),
  ],
  controllers: [Heartbeats],
})(App);

const app = await NestFactory.createMicroservice(App, {
  logger: ['error', 'warn'],
  transport: Transport.RMQ,
  options: {
    urls: [broker],
    queue: 'trove-conductor',
    queueOptions: { durable: true },
    noAck: false,
    prefetchCount: 10,
    // Trove's guests do not write the form of NestJS.
    deserializer: {
      deserialize(value) {
        const { method, args } = JSON.parse(value['oslo.message']);
        return { pattern: method, data: args };
      },
    },
  },
});
await app.listen();
