BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE digests (
	day VARCHAR NOT NULL, 
	delivery_id VARCHAR NOT NULL, 
	content TEXT NOT NULL, 
	PRIMARY KEY (day)
);
INSERT INTO "digests" VALUES('2026-11-22','f90e2681-b2c4-4951-9133-f2f589ef9c79','8ae4f58c6a30047f341335733a8aa6c3946f8a8563ba861def557d7eec6f1601');
CREATE TABLE incidents (
	id INTEGER NOT NULL, 
	asset VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	partition VARCHAR NOT NULL, 
	episode INTEGER NOT NULL, 
	is_open BOOLEAN NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (asset, name, partition, episode)
);
INSERT INTO "incidents" VALUES(1,'raw/orders','orders','',1,1,'{"subject":{"asset":"raw/orders","name":"orders","partition":""},"episode":1,"opened_at":"2026-11-22T21:45:51.194268Z","opened_by_run":"4c1d051c-df41-4453-8f6d-0e3ad0fdf163","finding":{"subject":{"asset":"raw/orders","name":"orders","partition":""},"outcome":"failed","severity":"ERROR","statement":"The check orders holds.","owner":"data-platform@greenery.example","assumption":"A01","why":"","remedy":"Look at the rows.","reason":"3 rows.","failing_rows":3,"rows_checked":1000,"kept_in":"quality.rows","sample":{"columns":["order_id"],"rows":[["1"]]}},"last_run":"810f9c54-3f18-428a-b01d-d0c1ea772ea3","announced":{"subject":{"asset":"raw/orders","name":"orders","partition":""},"outcome":"failed","severity":"ERROR","statement":"The check orders holds.","owner":"data-platform@greenery.example","assumption":"A01","why":"","remedy":"Look at the rows.","reason":"3 rows.","failing_rows":3,"rows_checked":1000,"kept_in":"quality.rows","sample":{"columns":["order_id"],"rows":[["1"]]}},"notified_at":"2026-11-22T21:45:51.460740Z","folded_under":null,"is_flapping":false,"acknowledged_by":"","resolved_at":null,"resolved_by_run":"","marts":[{"asset":"marketing/users","is_refreshed":false,"data_of":null},{"asset":"product/daily","is_refreshed":false,"data_of":null}],"held_back":1,"awaiting":[]}');
INSERT INTO "incidents" VALUES(2,'raw/events','events','',1,1,'{"subject":{"asset":"raw/events","name":"events","partition":""},"episode":1,"opened_at":"2026-11-22T21:45:51.529277Z","opened_by_run":"810f9c54-3f18-428a-b01d-d0c1ea772ea3","finding":{"subject":{"asset":"raw/events","name":"events","partition":""},"outcome":"failed","severity":"WARN","statement":"The check events holds.","owner":"data-platform@greenery.example","assumption":"A01","why":"","remedy":"Look at the rows.","reason":"2 rows.","failing_rows":2,"rows_checked":1000,"kept_in":"quality.rows","sample":{"columns":["order_id"],"rows":[["1"]]}},"last_run":"810f9c54-3f18-428a-b01d-d0c1ea772ea3","announced":{"subject":{"asset":"raw/events","name":"events","partition":""},"outcome":"failed","severity":"WARN","statement":"The check events holds.","owner":"data-platform@greenery.example","assumption":"A01","why":"","remedy":"Look at the rows.","reason":"2 rows.","failing_rows":2,"rows_checked":1000,"kept_in":"quality.rows","sample":{"columns":["order_id"],"rows":[["1"]]}},"notified_at":"2026-11-22T21:45:51.897168Z","folded_under":null,"is_flapping":false,"acknowledged_by":"","resolved_at":null,"resolved_by_run":"","marts":[],"held_back":0,"awaiting":[]}');
CREATE TABLE observations (
	end_id BIGINT NOT NULL, 
	asset VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	partition VARCHAR NOT NULL, 
	outcome VARCHAR NOT NULL, 
	severity VARCHAR NOT NULL, 
	failing_rows BIGINT NOT NULL, 
	PRIMARY KEY (end_id, asset, name, partition)
);
INSERT INTO "observations" VALUES(7,'raw/orders','orders','','failed','ERROR',3);
INSERT INTO "observations" VALUES(7,'raw/events','events','','passed','ERROR',0);
INSERT INTO "observations" VALUES(7,'staging/orders','staged','','passed','ERROR',0);
INSERT INTO "observations" VALUES(7,'product/daily','daily','','passed','ERROR',0);
INSERT INTO "observations" VALUES(7,'marketing/users','users','','unknown','ERROR',0);
INSERT INTO "observations" VALUES(14,'raw/orders','orders','','failed','ERROR',3);
INSERT INTO "observations" VALUES(14,'raw/events','events','','failed','WARN',2);
INSERT INTO "observations" VALUES(14,'staging/orders','staged','','passed','ERROR',0);
INSERT INTO "observations" VALUES(14,'product/daily','daily','','passed','ERROR',0);
INSERT INTO "observations" VALUES(14,'marketing/users','users','','unknown','ERROR',0);
CREATE TABLE outbox (
	id INTEGER NOT NULL, 
	delivery_id VARCHAR NOT NULL, 
	channel VARCHAR NOT NULL, 
	root VARCHAR, 
	edits VARCHAR, 
	is_broadcast BOOLEAN NOT NULL, 
	text TEXT NOT NULL, 
	blocks TEXT NOT NULL, 
	about_run_ended_at DATETIME, 
	created_at DATETIME NOT NULL, 
	state VARCHAR NOT NULL, 
	attempts INTEGER NOT NULL, 
	not_before DATETIME, 
	is_plain BOOLEAN NOT NULL, 
	last_error TEXT NOT NULL, 
	sent_at DATETIME, 
	slack_channel VARCHAR, 
	slack_ts VARCHAR, 
	PRIMARY KEY (id), 
	UNIQUE (delivery_id)
);
INSERT INTO "outbox" VALUES(1,'79fb2ff6-1e16-4861-ad45-c825790cb6d4','#data-alerts',NULL,NULL,0,':octagonal_sign: ERROR: 3 rows not as assumed in orders
*Assumed:* The check orders holds. (A01)
*Found:* 3 of 1,000 rows (0.3 %)
*Never built yet:* marketing: users; product: daily
*Not evaluated because of this:* 1 check
*Owner:* <@U0123ABCD>
*What to do:* Look at the rows.
<http://localhost:3000/assets/raw/orders?view=checks&amp;checkDetail=orders|Open the check>
<http://localhost:3000/runs/4c1d051c-df41-4453-8f6d-0e3ad0fdf163|Open the run>','[{"type": "header", "text": {"type": "plain_text", "text": ":octagonal_sign: ERROR: 3 rows not as assumed in orders", "emoji": true}}, {"type": "section", "text": {"type": "mrkdwn", "text": "*Assumed:* The check orders holds. (A01)", "verbatim": true}}, {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "Found: ", "style": {"bold": true}}, {"type": "text", "text": "3 of 1,000 rows (0.3 %). 3 rows."}]}, {"type": "rich_text_section", "elements": [{"type": "text", "text": "Since: ", "style": {"bold": true}}, {"type": "text", "text": "22 Nov 21:45 UTC"}]}]}, {"type": "section", "text": {"type": "mrkdwn", "text": "*Never built yet:* marketing: users; product: daily\n*Not evaluated because of this:* 1 check", "verbatim": true}}, {"type": "section", "text": {"type": "mrkdwn", "text": "*Owner:* <@U0123ABCD>\n*What to do:* Look at the rows.", "verbatim": true}}, {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "order_id\n       1"}]}]}, {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "All failing rows: "}, {"type": "text", "text": "quality.rows", "style": {"code": true}}]}]}, {"type": "context", "elements": [{"type": "mrkdwn", "text": "<http://localhost:3000/assets/raw/orders?view=checks&amp;checkDetail=orders|Open the check>  ·  <http://localhost:3000/runs/4c1d051c-df41-4453-8f6d-0e3ad0fdf163|Open the run>", "verbatim": true}]}]','2026-11-22 21:45:51.194268','2026-11-22 21:45:51.460740','sent',1,NULL,0,'','2026-11-22 21:45:51.516277','C0000000','1795383951.513932');
INSERT INTO "outbox" VALUES(2,'f90e2681-b2c4-4951-9133-f2f589ef9c79','#data-daily',NULL,NULL,0,'State of the data, Sunday 22 November
:octagonal_sign: *1 of 5 checks fails, 1 not evaluated; marketing, product figures are not there yet.*
*Daily run finished:* 22 Nov 21:45 UTC.
*Never built yet:* marketing: users; product: daily
*Open:* 1 incident
<http://localhost:3000|Open Dagster>','[{"type": "header", "text": {"type": "plain_text", "text": "State of the data, Sunday 22 November", "emoji": true}}, {"type": "section", "text": {"type": "mrkdwn", "text": ":octagonal_sign: *1 of 5 checks fails, 1 not evaluated; marketing, product figures are not there yet.*\n*Daily run finished:* 22 Nov 21:45 UTC.", "verbatim": true}}, {"type": "section", "text": {"type": "mrkdwn", "text": "*Never built yet:* marketing: users; product: daily", "verbatim": true}}, {"type": "section", "text": {"type": "mrkdwn", "text": "*Open (1)*", "verbatim": true}}, {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "emoji", "name": "octagonal_sign"}, {"type": "text", "text": " ERROR: ", "style": {"bold": true}}, {"type": "text", "text": "The check orders holds (A01, orders): 3 of 1,000 rows (0.3 %); stops 2 tables; 1 check not evaluated"}, {"type": "text", "text": " · new, since 22 Nov 21:45 UTC · owner: data-platform"}]}]}, {"type": "section", "text": {"type": "mrkdwn", "text": "*Checks, as last evaluated*", "verbatim": true}}, {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "           hold  warn  fail  not evaluated\nraw           1     0     1              0\nstaging       1     0     0              0\nmarketing     0     0     0              1\nproduct       1     0     0              0"}]}]}, {"type": "context", "elements": [{"type": "mrkdwn", "text": "<http://localhost:3000|Open Dagster>", "verbatim": true}]}]',NULL,'2026-11-22 21:45:51.488079','sent',1,NULL,0,'','2026-11-22 21:45:51.521863','C0000001','1795383951.521417');
INSERT INTO "outbox" VALUES(3,'20d72b87-424e-4b20-95f3-ad403ade4a6c','#data-alerts',NULL,NULL,0,':warning: Warning: 2 rows not as assumed in events
*Assumed:* The check events holds. (A01)
*Found:* 2 of 1,000 rows (0.2 %)
*Figures affected:* none
*Owner:* data-platform
*What to do:* Look at the rows.
<http://localhost:3000/assets/raw/events?view=checks&amp;checkDetail=events|Open the check>
<http://localhost:3000/runs/810f9c54-3f18-428a-b01d-d0c1ea772ea3|Open the run>','[{"type": "header", "text": {"type": "plain_text", "text": ":warning: Warning: 2 rows not as assumed in events", "emoji": true}}, {"type": "section", "text": {"type": "mrkdwn", "text": "*Assumed:* The check events holds. (A01)", "verbatim": true}}, {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "Found: ", "style": {"bold": true}}, {"type": "text", "text": "2 of 1,000 rows (0.2 %). 2 rows."}]}, {"type": "rich_text_section", "elements": [{"type": "text", "text": "Since: ", "style": {"bold": true}}, {"type": "text", "text": "22 Nov 21:45 UTC"}]}]}, {"type": "section", "text": {"type": "mrkdwn", "text": "*Figures affected:* none", "verbatim": true}}, {"type": "section", "text": {"type": "mrkdwn", "text": "*Owner:* data-platform\n*What to do:* Look at the rows.", "verbatim": true}}, {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "order_id\n       1"}]}]}, {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "All failing rows: "}, {"type": "text", "text": "quality.rows", "style": {"code": true}}]}]}, {"type": "context", "elements": [{"type": "mrkdwn", "text": "<http://localhost:3000/assets/raw/events?view=checks&amp;checkDetail=events|Open the check>  ·  <http://localhost:3000/runs/810f9c54-3f18-428a-b01d-d0c1ea772ea3|Open the run>", "verbatim": true}]}]','2026-11-22 21:45:51.529277','2026-11-22 21:45:51.897168','sent',1,NULL,0,'','2026-11-22 21:45:51.976340','C0000000','1795383951.974480');
INSERT INTO "outbox" VALUES(4,'086de3a3-3a43-4c37-b4a8-db59e71f1aae','#data-daily',NULL,'f90e2681-b2c4-4951-9133-f2f589ef9c79',0,'State of the data, Sunday 22 November
:octagonal_sign: *2 of 5 checks fail, 1 not evaluated; marketing, product figures are not there yet.*
*Daily run finished:* 22 Nov 21:45 UTC.
*Never built yet:* marketing: users; product: daily
*Open:* 2 incidents
<http://localhost:3000|Open Dagster>','[{"type": "header", "text": {"type": "plain_text", "text": "State of the data, Sunday 22 November", "emoji": true}}, {"type": "section", "text": {"type": "mrkdwn", "text": ":octagonal_sign: *2 of 5 checks fail, 1 not evaluated; marketing, product figures are not there yet.*\n*Daily run finished:* 22 Nov 21:45 UTC.", "verbatim": true}}, {"type": "section", "text": {"type": "mrkdwn", "text": "*Never built yet:* marketing: users; product: daily", "verbatim": true}}, {"type": "section", "text": {"type": "mrkdwn", "text": "*Open (2)*", "verbatim": true}}, {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "emoji", "name": "octagonal_sign"}, {"type": "text", "text": " ERROR: ", "style": {"bold": true}}, {"type": "text", "text": "The check orders holds (A01, orders): 3 of 1,000 rows (0.3 %); stops 2 tables; 1 check not evaluated"}, {"type": "text", "text": " · new, since 22 Nov 21:45 UTC · owner: data-platform"}]}, {"type": "rich_text_section", "elements": [{"type": "emoji", "name": "warning"}, {"type": "text", "text": " Warning: ", "style": {"bold": true}}, {"type": "text", "text": "The check events holds (A01, events): 2 of 1,000 rows (0.2 %)"}, {"type": "text", "text": " · new, since 22 Nov 21:45 UTC · owner: data-platform"}]}]}, {"type": "section", "text": {"type": "mrkdwn", "text": "*Checks, as last evaluated*", "verbatim": true}}, {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "           hold  warn  fail  not evaluated\nraw           0     1     1              0\nstaging       1     0     0              0\nmarketing     0     0     0              1\nproduct       1     0     0              0"}]}]}, {"type": "context", "elements": [{"type": "mrkdwn", "text": "<http://localhost:3000|Open Dagster>", "verbatim": true}]}]',NULL,'2026-11-22 21:45:51.946688','sent',0,NULL,0,'','2026-11-22 21:45:51.985214',NULL,NULL);
CREATE TABLE progress (
	name VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "progress" VALUES('dagster_log_started_after','0');
INSERT INTO "progress" VALUES('first_pass_at','2026-11-22T21:45:51.187574+00:00');
INSERT INTO "progress" VALUES('dagster_log_read_to','14');
CREATE TABLE runs (
	end_id BIGINT NOT NULL, 
	run_id VARCHAR NOT NULL, 
	job VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	started_at DATETIME NOT NULL, 
	ended_at DATETIME NOT NULL, 
	PRIMARY KEY (end_id)
);
INSERT INTO "runs" VALUES(7,'4c1d051c-df41-4453-8f6d-0e3ad0fdf163','daily_job','FAILURE','2026-11-22 21:45:51.194268','2026-11-22 21:45:51.194268');
INSERT INTO "runs" VALUES(14,'810f9c54-3f18-428a-b01d-d0c1ea772ea3','daily_job','FAILURE','2026-11-22 21:45:51.529277','2026-11-22 21:45:51.529277');
CREATE TABLE silences (
	id INTEGER NOT NULL, 
	asset VARCHAR NOT NULL, 
	"check" VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	until DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE threads (
	root VARCHAR NOT NULL, 
	incident_id INTEGER NOT NULL, 
	form VARCHAR NOT NULL, 
	PRIMARY KEY (root, incident_id)
);
INSERT INTO "threads" VALUES('79fb2ff6-1e16-4861-ad45-c825790cb6d4',1,'single');
INSERT INTO "threads" VALUES('20d72b87-424e-4b20-95f3-ad403ade4a6c',2,'single');
CREATE TABLE tracks (
	asset VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	partition VARCHAR NOT NULL, 
	evaluations VARCHAR NOT NULL, 
	outcome VARCHAR NOT NULL, 
	severity VARCHAR NOT NULL, 
	PRIMARY KEY (asset, name, partition)
);
INSERT INTO "tracks" VALUES('raw/orders','orders','','FF','failed','ERROR');
INSERT INTO "tracks" VALUES('raw/events','events','','PF','failed','WARN');
INSERT INTO "tracks" VALUES('staging/orders','staged','','PP','passed','ERROR');
INSERT INTO "tracks" VALUES('product/daily','daily','','PP','passed','ERROR');
INSERT INTO "tracks" VALUES('marketing/users','users','','','unknown','ERROR');
CREATE INDEX ix_incidents_is_open ON incidents (is_open);
CREATE INDEX ix_outbox_edits ON outbox (edits);
CREATE INDEX ix_outbox_state ON outbox (state);
CREATE INDEX ix_runs_ended_at ON runs (ended_at);
CREATE INDEX ix_runs_run_id ON runs (run_id);
CREATE INDEX ix_threads_incident_id ON threads (incident_id);
COMMIT;
