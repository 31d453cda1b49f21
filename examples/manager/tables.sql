CREATE TABLE disk_usage (
  instance_id varchar(36) PRIMARY KEY,
  sent double precision NOT NULL,
  used_bytes double precision NOT NULL
);

CREATE TABLE notes (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  instance_id varchar(36) NOT NULL,
  text text NOT NULL
);
