-- Up Migration
-- Creates the tables instances, service_statuses, backups, root_enabled_history and instance_faults, named and typed as
-- Trove's are.

-- Run on a database that has none of them; one that has them all is Trove's own and skips this file. Left out are the
-- foreign keys to tables that only Trove has, and the plain index on service_statuses.instance_id, for which a unique
-- one stands. Times are UTC in columns without zone, as Trove keeps them.

CREATE TABLE instances (
  id varchar(36) PRIMARY KEY,
  created timestamp,
  updated timestamp,
  name varchar(255),
  hostname varchar(255),
  compute_instance_id varchar(36),
  task_id integer,
  task_description varchar(255),
  task_start_time timestamp,
  volume_id varchar(36),
  flavor_id varchar(255),
  volume_size integer,
  tenant_id varchar(36),
  server_status varchar(64),
  deleted boolean,
  deleted_at timestamp,
  datastore_version_id varchar(36),
  configuration_id varchar(36),
  slave_of_id varchar(36) REFERENCES instances,
  cluster_id varchar(36),
  shard_id varchar(36),
  type varchar(64),
  region_id varchar(255),
  encrypted_key varchar(255),
  access text
);
CREATE INDEX instances_tenant_id ON instances (tenant_id);
CREATE INDEX instances_deleted ON instances (deleted);
CREATE INDEX instances_cluster_id ON instances (cluster_id);

CREATE TABLE service_statuses (
  id varchar(36) PRIMARY KEY,
  instance_id varchar(36) NOT NULL,
  status_id integer NOT NULL,
  status_description varchar(64) NOT NULL,
  updated_at timestamp
);

CREATE TABLE backups (
  id varchar(36) PRIMARY KEY,
  name varchar(255) NOT NULL,
  description varchar(512),
  location varchar(1024),
  backup_type varchar(32),
  size double precision,
  tenant_id varchar(36),
  state varchar(32) NOT NULL,
  instance_id varchar(36),
  checksum varchar(32),
  backup_timestamp timestamp,
  deleted boolean,
  created timestamp,
  updated timestamp,
  deleted_at timestamp,
  parent_id varchar(36),
  datastore_version_id varchar(36)
);
CREATE INDEX backups_instance_id ON backups (instance_id);
CREATE INDEX backups_deleted ON backups (deleted);

CREATE TABLE root_enabled_history (
  id varchar(36) PRIMARY KEY,
  "user" varchar(255),
  created timestamp
);

CREATE TABLE instance_faults (
  id varchar(64) PRIMARY KEY,
  instance_id varchar(64) NOT NULL REFERENCES instances ON UPDATE CASCADE ON DELETE CASCADE,
  message varchar(255) NOT NULL,
  details text NOT NULL,
  created timestamp NOT NULL,
  updated timestamp NOT NULL,
  deleted boolean NOT NULL,
  deleted_at timestamp
);

-- Down Migration
-- Drops instances, service_statuses, backups, root_enabled_history and instance_faults if all five are empty.

-- One that holds a row keeps all five: they are of no use apart. A later migration then takes them for Trove's own.

DO $$
BEGIN
  LOCK TABLE instances, service_statuses, backups, root_enabled_history, instance_faults;
  IF NOT EXISTS (SELECT FROM instances)
    AND NOT EXISTS (SELECT FROM service_statuses)
    AND NOT EXISTS (SELECT FROM backups)
    AND NOT EXISTS (SELECT FROM root_enabled_history)
    AND NOT EXISTS (SELECT FROM instance_faults)
  THEN
    DROP TABLE instances, service_statuses, backups, root_enabled_history, instance_faults;
  END IF;
END
$$;
