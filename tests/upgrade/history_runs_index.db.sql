BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('6b7fb194ff9c');
CREATE TABLE asset_check_executions (
	id INTEGER NOT NULL, 
	asset_key TEXT, 
	check_name TEXT, 
	partition TEXT, 
	run_id VARCHAR(255), 
	execution_status VARCHAR(255), 
	evaluation_event TEXT, 
	evaluation_event_timestamp DATETIME, 
	evaluation_event_storage_id INTEGER, 
	materialization_event_storage_id INTEGER, 
	create_timestamp DATETIME DEFAULT CURRENT_TIMESTAMP, 
	PRIMARY KEY (id)
);
CREATE TABLE asset_event_tags (
	id INTEGER NOT NULL, 
	event_id INTEGER, 
	asset_key TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	value TEXT, 
	event_timestamp TIMESTAMP, 
	PRIMARY KEY (id)
);
INSERT INTO "asset_event_tags" VALUES(1,3,'["raw", "orders"]','dagster/data_version','fde3aa498426156195c316be8f3438a3e9d1db7f0d54f249953c88fcd66bcfe3','2026-11-27 03:43:07.393884');
CREATE TABLE asset_keys (
	id INTEGER NOT NULL, 
	asset_key VARCHAR(512), 
	last_materialization TEXT, 
	last_run_id VARCHAR(255), 
	asset_details TEXT, 
	wipe_timestamp TIMESTAMP, 
	last_materialization_timestamp TIMESTAMP, 
	tags TEXT, 
	create_timestamp DATETIME DEFAULT CURRENT_TIMESTAMP, 
	cached_status_data TEXT, 
	PRIMARY KEY (id), 
	UNIQUE (asset_key)
);
INSERT INTO "asset_keys" VALUES(1,'["raw", "orders"]','{"__class__": "EventLogRecord", "event_log_entry": {"__class__": "EventLogEntry", "dagster_event": {"__class__": "DagsterEvent", "event_specific_data": {"__class__": "StepMaterializationData", "asset_lineage": [], "materialization": {"__class__": "AssetMaterialization", "asset_key": {"__class__": "AssetKey", "path": ["raw", "orders"]}, "description": null, "metadata_entries": [{"__class__": "EventMetadataEntry", "description": null, "entry_data": {"__class__": "IntMetadataEntryData", "value": 3}, "label": "rows"}], "partition": null, "tags": {"dagster/code_version": "856b775e-f188-4adf-825e-50d982f8d816", "dagster/data_version": "fde3aa498426156195c316be8f3438a3e9d1db7f0d54f249953c88fcd66bcfe3"}}}, "event_type_value": "ASSET_MATERIALIZATION", "logging_tags": {"job_name": "__ephemeral_asset_job__", "op_name": "raw__orders", "resource_fn_name": "None", "resource_name": "None", "run_id": "856b775e-f188-4adf-825e-50d982f8d816", "step_key": "raw__orders"}, "message": "Materialized value raw orders.", "pid": 22112, "pipeline_name": "__ephemeral_asset_job__", "solid_handle": {"__class__": "SolidHandle", "name": "raw__orders", "parent": null}, "step_handle": {"__class__": "StepHandle", "key": "raw__orders", "solid_handle": {"__class__": "SolidHandle", "name": "raw__orders", "parent": null}}, "step_key": "raw__orders", "step_kind_value": "COMPUTE"}, "error_info": null, "level": 10, "message": "", "pipeline_name": "__ephemeral_asset_job__", "run_id": "856b775e-f188-4adf-825e-50d982f8d816", "step_key": "raw__orders", "timestamp": 1795750987.3938837, "user_message": "Materialized value raw orders."}, "storage_id": 3}','856b775e-f188-4adf-825e-50d982f8d816',NULL,NULL,'2026-11-27 03:43:07.393884',NULL,'2026-11-27 03:43:07',NULL);
CREATE TABLE concurrency_limits (
	id INTEGER NOT NULL, 
	concurrency_key VARCHAR(512) NOT NULL, 
	"limit" INTEGER NOT NULL, 
	update_timestamp DATETIME DEFAULT CURRENT_TIMESTAMP, 
	create_timestamp DATETIME DEFAULT CURRENT_TIMESTAMP, 
	PRIMARY KEY (id), 
	UNIQUE (concurrency_key)
);
CREATE TABLE concurrency_slots (
	id INTEGER NOT NULL, 
	concurrency_key TEXT NOT NULL, 
	run_id TEXT, 
	step_key TEXT, 
	deleted BOOLEAN NOT NULL, 
	create_timestamp DATETIME DEFAULT CURRENT_TIMESTAMP, 
	PRIMARY KEY (id)
);
CREATE TABLE dynamic_partitions (
	id INTEGER NOT NULL, 
	partitions_def_name TEXT NOT NULL, 
	partition TEXT NOT NULL, 
	create_timestamp DATETIME DEFAULT CURRENT_TIMESTAMP, 
	PRIMARY KEY (id)
);
CREATE TABLE event_logs (
	id INTEGER NOT NULL, 
	run_id VARCHAR(255), 
	event TEXT NOT NULL, 
	dagster_event_type TEXT, 
	timestamp TIMESTAMP, 
	step_key TEXT, 
	asset_key TEXT, 
	partition TEXT, 
	PRIMARY KEY (id)
);
INSERT INTO "event_logs" VALUES(1,'856b775e-f188-4adf-825e-50d982f8d816','{"__class__": "EventLogEntry", "dagster_event": {"__class__": "DagsterEvent", "event_specific_data": {"__class__": "AssetMaterializationPlannedData", "asset_key": {"__class__": "AssetKey", "path": ["raw", "orders"]}, "partition": null, "partitions_subset": null}, "event_type_value": "ASSET_MATERIALIZATION_PLANNED", "logging_tags": {}, "message": "__ephemeral_asset_job__ intends to materialize asset [\"raw\", \"orders\"]", "pid": null, "pipeline_name": "__ephemeral_asset_job__", "solid_handle": null, "step_handle": null, "step_key": "raw__orders", "step_kind_value": null}, "error_info": null, "level": 10, "message": "", "pipeline_name": "__ephemeral_asset_job__", "run_id": "856b775e-f188-4adf-825e-50d982f8d816", "step_key": "raw__orders", "timestamp": 1795750987.2291217, "user_message": ""}','ASSET_MATERIALIZATION_PLANNED','2026-11-27 03:43:07.229122','raw__orders','["raw", "orders"]',NULL);
INSERT INTO "event_logs" VALUES(2,'856b775e-f188-4adf-825e-50d982f8d816','{"__class__": "EventLogEntry", "dagster_event": {"__class__": "DagsterEvent", "event_specific_data": null, "event_type_value": "PIPELINE_START", "logging_tags": {}, "message": "Started execution of run for \"__ephemeral_asset_job__\".", "pid": 22112, "pipeline_name": "__ephemeral_asset_job__", "solid_handle": null, "step_handle": null, "step_key": null, "step_kind_value": null}, "error_info": null, "level": 10, "message": "", "pipeline_name": "__ephemeral_asset_job__", "run_id": "856b775e-f188-4adf-825e-50d982f8d816", "step_key": null, "timestamp": 1795750987.2917662, "user_message": "Started execution of run for \"__ephemeral_asset_job__\"."}','PIPELINE_START','2026-11-27 03:43:07.291766',NULL,NULL,NULL);
INSERT INTO "event_logs" VALUES(3,'856b775e-f188-4adf-825e-50d982f8d816','{"__class__": "EventLogEntry", "dagster_event": {"__class__": "DagsterEvent", "event_specific_data": {"__class__": "StepMaterializationData", "asset_lineage": [], "materialization": {"__class__": "AssetMaterialization", "asset_key": {"__class__": "AssetKey", "path": ["raw", "orders"]}, "description": null, "metadata_entries": [{"__class__": "EventMetadataEntry", "description": null, "entry_data": {"__class__": "IntMetadataEntryData", "value": 3}, "label": "rows"}], "partition": null, "tags": {"dagster/code_version": "856b775e-f188-4adf-825e-50d982f8d816", "dagster/data_version": "fde3aa498426156195c316be8f3438a3e9d1db7f0d54f249953c88fcd66bcfe3"}}}, "event_type_value": "ASSET_MATERIALIZATION", "logging_tags": {"job_name": "__ephemeral_asset_job__", "op_name": "raw__orders", "resource_fn_name": "None", "resource_name": "None", "run_id": "856b775e-f188-4adf-825e-50d982f8d816", "step_key": "raw__orders"}, "message": "Materialized value raw orders.", "pid": 22112, "pipeline_name": "__ephemeral_asset_job__", "solid_handle": {"__class__": "SolidHandle", "name": "raw__orders", "parent": null}, "step_handle": {"__class__": "StepHandle", "key": "raw__orders", "solid_handle": {"__class__": "SolidHandle", "name": "raw__orders", "parent": null}}, "step_key": "raw__orders", "step_kind_value": "COMPUTE"}, "error_info": null, "level": 10, "message": "", "pipeline_name": "__ephemeral_asset_job__", "run_id": "856b775e-f188-4adf-825e-50d982f8d816", "step_key": "raw__orders", "timestamp": 1795750987.3938837, "user_message": "Materialized value raw orders."}','ASSET_MATERIALIZATION','2026-11-27 03:43:07.393884','raw__orders','["raw", "orders"]',NULL);
INSERT INTO "event_logs" VALUES(4,'856b775e-f188-4adf-825e-50d982f8d816','{"__class__": "EventLogEntry", "dagster_event": {"__class__": "DagsterEvent", "event_specific_data": null, "event_type_value": "PIPELINE_SUCCESS", "logging_tags": {}, "message": "Finished execution of run for \"__ephemeral_asset_job__\".", "pid": 22112, "pipeline_name": "__ephemeral_asset_job__", "solid_handle": null, "step_handle": null, "step_key": null, "step_kind_value": null}, "error_info": null, "level": 10, "message": "", "pipeline_name": "__ephemeral_asset_job__", "run_id": "856b775e-f188-4adf-825e-50d982f8d816", "step_key": null, "timestamp": 1795750987.500365, "user_message": "Finished execution of run for \"__ephemeral_asset_job__\"."}','PIPELINE_SUCCESS','2026-11-27 03:43:07.500365',NULL,NULL,NULL);
CREATE TABLE pending_steps (
	id INTEGER NOT NULL, 
	concurrency_key TEXT NOT NULL, 
	run_id TEXT, 
	step_key TEXT, 
	priority INTEGER, 
	assigned_timestamp DATETIME, 
	create_timestamp DATETIME DEFAULT CURRENT_TIMESTAMP, 
	PRIMARY KEY (id)
);
CREATE TABLE secondary_indexes (
	id INTEGER NOT NULL, 
	name VARCHAR(512), 
	create_timestamp DATETIME DEFAULT CURRENT_TIMESTAMP, 
	migration_completed DATETIME, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO "secondary_indexes" VALUES(1,'asset_key_table','2026-11-27 03:43:06','2026-11-27 03:43:06.769245');
INSERT INTO "secondary_indexes" VALUES(2,'asset_key_index_columns','2026-11-27 03:43:06','2026-11-27 03:43:06.779384');
CREATE INDEX idx_event_type ON event_logs (dagster_event_type, id);
CREATE INDEX idx_step_key ON event_logs (step_key);
CREATE INDEX idx_events_by_asset_partition ON event_logs (asset_key, dagster_event_type, partition, id);
CREATE INDEX idx_events_by_asset ON event_logs (asset_key, dagster_event_type, id);
CREATE INDEX idx_events_by_run_id ON event_logs (run_id, id);
CREATE INDEX idx_asset_event_tags_event_id ON asset_event_tags (event_id);
CREATE INDEX idx_asset_event_tags ON asset_event_tags (asset_key, "key", value);
CREATE UNIQUE INDEX idx_dynamic_partitions ON dynamic_partitions (partitions_def_name, partition);
CREATE UNIQUE INDEX idx_pending_steps ON pending_steps (concurrency_key, run_id, step_key);
CREATE INDEX idx_asset_check_executions ON asset_check_executions (asset_key, check_name, materialization_event_storage_id, partition);
CREATE UNIQUE INDEX idx_asset_check_executions_unique ON asset_check_executions (asset_key, check_name, run_id, partition);
COMMIT;
