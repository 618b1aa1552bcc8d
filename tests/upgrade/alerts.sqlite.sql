BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE digests (
	day VARCHAR NOT NULL, 
	delivery_id VARCHAR NOT NULL, 
	content TEXT NOT NULL, 
	PRIMARY KEY (day)
);
INSERT INTO "digests" VALUES('2026-11-27','4cb4f25e-9313-4b04-ba5b-a3beb9150edd','ac6c8854d0957f48dd96d80e12e034b7bba4a7e35d804d121f2526d0fe4eb259');
CREATE TABLE incidents (
	id INTEGER NOT NULL, 
	asset VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	partition VARCHAR NOT NULL, 
	episode INTEGER NOT NULL, 
	is_open BOOLEAN NOT NULL, 
	has_old_marts BOOLEAN DEFAULT 0 NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (asset, name, partition, episode)
);
INSERT INTO "incidents" VALUES(1,'raw/orders','orders','',1,1,0,'{"subject":{"asset":"raw/orders","name":"orders","partition":""},"episode":1,"opened_at":"2026-11-27T03:43:17.678241Z","opened_by_run":"236af863-f6e6-4cfc-b76a-5222b1a67c49","finding":{"subject":{"asset":"raw/orders","name":"orders","partition":""},"outcome":"failed","severity":"ERROR","statement":"The check orders holds.","owner":"data-platform@greenery.example","assumption":"A01","why":"","remedy":"Look at the rows.","affects":"","use":"","reason":"3 rows.","failing_rows":3,"rows_checked":1000,"kept_in":"quality.rows","sample":{"columns":["order_id"],"rows":[["1"]]}},"last_run":"236af863-f6e6-4cfc-b76a-5222b1a67c49","found_at":"2026-11-27T03:43:17.678241Z","announced":{"subject":{"asset":"raw/orders","name":"orders","partition":""},"outcome":"failed","severity":"ERROR","statement":"The check orders holds.","owner":"data-platform@greenery.example","assumption":"A01","why":"","remedy":"Look at the rows.","affects":"","use":"","reason":"3 rows.","failing_rows":3,"rows_checked":1000,"kept_in":"quality.rows","sample":{"columns":["order_id"],"rows":[["1"]]}},"notified_at":"2026-11-27T03:43:17.890581Z","inhibited_by":null,"is_flapping":false,"acknowledged_by":"","resolved_at":null,"resolved_by_run":"","marts":[{"asset":"marketing/users","is_refreshed":false,"data_of":null,"group":"marketing"},{"asset":"product/daily","is_refreshed":false,"data_of":null,"group":"product"}],"held_back":3,"current":[],"awaiting":[]}');
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
INSERT INTO "observations" VALUES(18,'raw/events','events','','passed','ERROR',0);
INSERT INTO "observations" VALUES(18,'raw/orders','orders','','failed','ERROR',3);
INSERT INTO "observations" VALUES(18,'product/daily','daily','','unknown','ERROR',0);
INSERT INTO "observations" VALUES(18,'staging/orders','staged','','unknown','ERROR',0);
INSERT INTO "observations" VALUES(18,'marketing/users','users','','unknown','ERROR',0);
CREATE TABLE outbox (
	id INTEGER NOT NULL, 
	delivery_id VARCHAR NOT NULL, 
	channel VARCHAR NOT NULL, 
	root VARCHAR, 
	edits VARCHAR, 
	is_broadcast BOOLEAN NOT NULL, 
	is_plain BOOLEAN NOT NULL, 
	text TEXT NOT NULL, 
	blocks TEXT NOT NULL, 
	last_error TEXT NOT NULL, 
	created_at DATETIME NOT NULL, 
	state VARCHAR NOT NULL, 
	attempts INTEGER NOT NULL, 
	about_run_ended_at DATETIME, 
	not_before DATETIME, 
	sent_at DATETIME, 
	slack_channel VARCHAR, 
	slack_ts VARCHAR, 
	PRIMARY KEY (id), 
	UNIQUE (delivery_id)
);
INSERT INTO "outbox" VALUES(1,'27071fe1-ac8a-499c-9f6a-1224af97f166','#data-alerts',NULL,NULL,0,0,':octagonal_sign: ERROR: 3 rows not as assumed in orders: The check orders holds
*Figures:* Marketing and product figures are not there yet.
*Owner:* <@U0123ABCD>
*Assumed:* The check orders holds. (A01)
Found: 3 of 1,000 rows (0.3 %).
Since: 27 Nov 03:43 UTC
*Never built yet:* marketing: users; product: daily
*Not evaluated because of this:* 3 checks
*What to do:* Look at the rows.
All failing rows: quality.rows
<http://localhost:3000/assets/raw/orders?view=checks&amp;checkDetail=orders|Open the check>  ·  <http://localhost:3000/runs/236af863-f6e6-4cfc-b76a-5222b1a67c49|Open the run>','[{"type": "header", "text": {"type": "plain_text", "text": ":octagonal_sign: ERROR: 3 rows not as assumed in orders: The check orders holds", "emoji": true}}, {"type": "section", "text": {"type": "mrkdwn", "text": "*Figures:* Marketing and product figures are not there yet.\n*Owner:* <@U0123ABCD>", "verbatim": true}}, {"type": "section", "text": {"type": "mrkdwn", "text": "*Assumed:* The check orders holds. (A01)", "verbatim": true}}, {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "Found: ", "style": {"bold": true}}, {"type": "text", "text": "3 of 1,000 rows (0.3 %)."}]}, {"type": "rich_text_section", "elements": [{"type": "text", "text": "Since: ", "style": {"bold": true}}, {"type": "text", "text": "27 Nov 03:43 UTC"}]}]}, {"type": "section", "text": {"type": "mrkdwn", "text": "*Never built yet:* marketing: users; product: daily\n*Not evaluated because of this:* 3 checks", "verbatim": true}}, {"type": "section", "text": {"type": "mrkdwn", "text": "*What to do:* Look at the rows.", "verbatim": true}}, {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "order_id\n       1"}]}]}, {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "All failing rows: "}, {"type": "text", "text": "quality.rows", "style": {"code": true}}]}]}, {"type": "context", "elements": [{"type": "mrkdwn", "text": "<http://localhost:3000/assets/raw/orders?view=checks&amp;checkDetail=orders|Open the check>  ·  <http://localhost:3000/runs/236af863-f6e6-4cfc-b76a-5222b1a67c49|Open the run>", "verbatim": true}]}]','','2026-11-27 03:43:17.890581','sent',1,'2026-11-27 03:43:17.678241',NULL,'2026-11-27 03:43:18.636231','C0000000','1795750998.628397');
INSERT INTO "outbox" VALUES(2,'4cb4f25e-9313-4b04-ba5b-a3beb9150edd','#data-daily',NULL,NULL,0,0,'State of the data, Friday 27 November
:octagonal_sign: *Not all figures are current: 1 ERROR, 3 checks not evaluated. Marketing and product figures are not there yet.*
*Daily run finished:* 27 Nov 03:43 UTC.
*Open (1)*
:octagonal_sign: ERROR: 3 rows not as assumed in orders: The check orders holds. Marketing and product figures are not there yet. (A01, orders) · new, since 27 Nov 03:43 UTC · owner: data-platform
*Checks, as last evaluated*
<http://localhost:3000|Open Dagster>','[{"type": "header", "text": {"type": "plain_text", "text": "State of the data, Friday 27 November", "emoji": true}}, {"type": "section", "text": {"type": "mrkdwn", "text": ":octagonal_sign: *Not all figures are current: 1 ERROR, 3 checks not evaluated. Marketing and product figures are not there yet.*\n*Daily run finished:* 27 Nov 03:43 UTC.", "verbatim": true}}, {"type": "section", "text": {"type": "mrkdwn", "text": "*Open (1)*", "verbatim": true}}, {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "emoji", "name": "octagonal_sign"}, {"type": "text", "text": " ERROR: ", "style": {"bold": true}}, {"type": "text", "text": "3 rows not as assumed in orders: The check orders holds. Marketing and product figures are not there yet. (A01, orders)"}, {"type": "text", "text": " · new, since 27 Nov 03:43 UTC · owner: data-platform"}]}]}, {"type": "section", "text": {"type": "mrkdwn", "text": "*Checks, as last evaluated*", "verbatim": true}}, {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "           hold  ERROR  warning  note  not evaluated\nraw           1      1        0     0              0\nstaging       0      0        0     0              1\nmarketing     0      0        0     0              1\nproduct       0      0        0     0              1"}]}]}, {"type": "context", "elements": [{"type": "mrkdwn", "text": "<http://localhost:3000|Open Dagster>", "verbatim": true}]}]','','2026-11-27 03:43:18.071204','sent',1,NULL,NULL,'2026-11-27 03:43:18.665433','C0000001','1795750998.664827');
CREATE TABLE progress (
	name VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "progress" VALUES('dagster_log_started_after','0');
INSERT INTO "progress" VALUES('first_pass_at','2026-11-27T03:43:15.655683+00:00');
INSERT INTO "progress" VALUES('dagster_log_read_to','18');
CREATE TABLE runs (
	end_id BIGINT NOT NULL, 
	run_id VARCHAR NOT NULL, 
	job VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	started_at DATETIME NOT NULL, 
	ended_at DATETIME NOT NULL, 
	PRIMARY KEY (end_id)
);
INSERT INTO "runs" VALUES(18,'236af863-f6e6-4cfc-b76a-5222b1a67c49','daily_job','FAILURE','2026-11-27 03:43:16.895123','2026-11-27 03:43:17.678241');
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
INSERT INTO "threads" VALUES('27071fe1-ac8a-499c-9f6a-1224af97f166',1,'single');
CREATE TABLE tracks (
	asset VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	partition VARCHAR NOT NULL, 
	evaluations VARCHAR NOT NULL, 
	outcome VARCHAR NOT NULL, 
	severity VARCHAR NOT NULL, 
	PRIMARY KEY (asset, name, partition)
);
INSERT INTO "tracks" VALUES('raw/events','events','','P','passed','ERROR');
INSERT INTO "tracks" VALUES('raw/orders','orders','','F','failed','ERROR');
INSERT INTO "tracks" VALUES('product/daily','daily','','','unknown','ERROR');
INSERT INTO "tracks" VALUES('staging/orders','staged','','','unknown','ERROR');
INSERT INTO "tracks" VALUES('marketing/users','users','','','unknown','ERROR');
CREATE INDEX ix_runs_run_id ON runs (run_id);
CREATE INDEX ix_runs_ended_at ON runs (ended_at);
CREATE INDEX ix_incidents_is_open ON incidents (is_open);
CREATE INDEX ix_incidents_has_old_marts ON incidents (has_old_marts);
CREATE INDEX ix_threads_incident_id ON threads (incident_id);
CREATE INDEX ix_outbox_edits ON outbox (edits);
CREATE INDEX ix_outbox_state ON outbox (state);
COMMIT;
