create table if not exists migrations (at timestamptz default now());
insert into migrations default values;
