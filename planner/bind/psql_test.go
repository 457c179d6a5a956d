package bind

import "testing"

// psqlStatements are catalog queries in the manner of psql's backslash commands
// and completion: CASE over "char" columns, correlated scalar subqueries, ARRAY(…),
// casts to regclass, operators and functions under pg_catalog.
var psqlStatements = []string{
	`SELECT n.nspname AS "Schema", c.relname AS "Name",
		CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' END AS "Type",
		pg_catalog.pg_get_userbyid(c.relowner) AS "Owner"
	FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
	WHERE c.relkind IN ('r','p','v','m','') AND n.nspname <> 'pg_catalog' AND n.nspname !~ '^pg_toast' AND pg_catalog.pg_table_is_visible(c.oid)
	ORDER BY 1, 2`,
	`SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relname OPERATOR(pg_catalog.~) '^(labels)$' COLLATE pg_catalog.default AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 2, 3`,
	`SELECT c.relchecks, c.relkind, false AS relhasoids, '', CASE WHEN c.reloftype = 0 THEN '' ELSE c.reloftype::pg_catalog.regtype::pg_catalog.text END, am.amname
	FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_class tc ON (c.reltoastrelid = tc.oid) LEFT JOIN pg_catalog.pg_am am ON (c.relam = am.oid)
	WHERE c.oid = '16399'`,
	`SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
		(SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef),
		a.attnotnull,
		(SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS attcollation
	FROM pg_catalog.pg_attribute a WHERE a.attrelid = '16399' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
	`SELECT pol.polname, CASE WHEN pol.polroles = '{0}' THEN NULL ELSE pg_catalog.array_to_string(array(SELECT rolname FROM pg_catalog.pg_roles WHERE oid = ANY (pol.polroles) ORDER BY 1), ',') END,
		CASE pol.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' END AS cmd
	FROM pg_catalog.pg_policy pol WHERE pol.polrelid = '16399' ORDER BY 1`,
	`SELECT oid, stxrelid::pg_catalog.regclass, stxnamespace::pg_catalog.regnamespace::pg_catalog.text AS nsp, 'd' = any(stxkind) AS ndist_enabled
	FROM pg_catalog.pg_statistic_ext WHERE stxrelid = '16399' ORDER BY nsp, stxname`,
	`SELECT pubname, NULL, NULL FROM pg_catalog.pg_publication p JOIN pg_catalog.pg_publication_rel pr ON p.oid = pr.prpubid WHERE pr.prrelid = '16399'
	UNION ALL
	SELECT pubname, (SELECT string_agg(attname, ', ') FROM pg_catalog.generate_series(0, pg_catalog.array_upper(pr.prattrs::pg_catalog.int2[], 1)) s,
		pg_catalog.pg_attribute WHERE attrelid = pr.prrelid AND attnum = prattrs[s]), NULL
	FROM pg_catalog.pg_publication p JOIN pg_catalog.pg_publication_rel pr ON p.oid = pr.prpubid ORDER BY 1`,
	`SELECT c.oid::pg_catalog.regclass, c.relkind, inhseqno FROM pg_catalog.pg_class c, pg_catalog.pg_inherits i WHERE c.oid = i.inhparent AND i.inhrelid = '16399' ORDER BY inhseqno`,
	`SELECT d.datname AS "Name", pg_catalog.pg_get_userbyid(d.datdba) AS "Owner", pg_catalog.pg_encoding_to_char(d.encoding) AS "Encoding",
		pg_catalog.array_to_string(d.datacl, E'\n') AS "Access privileges" FROM pg_catalog.pg_database d ORDER BY 1`,
	`SELECT n.nspname AS "Schema", p.proname AS "Name", pg_catalog.pg_get_function_result(p.oid) AS "Result data type",
		CASE p.prokind WHEN 'a' THEN 'agg' WHEN 'w' THEN 'window' ELSE 'func' END AS "Type"
	FROM pg_catalog.pg_proc p LEFT JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
	WHERE pg_catalog.pg_function_is_visible(p.oid) AND n.nspname <> 'pg_catalog' ORDER BY 1, 2`,
	`SELECT pg_catalog.quote_ident(c.relname) FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p')
		AND substring(pg_catalog.quote_ident(c.relname),1,3)='lab' AND pg_catalog.pg_table_is_visible(c.oid)
	UNION
	SELECT pg_catalog.quote_ident(n.nspname) || '.' FROM pg_catalog.pg_namespace n WHERE substring(pg_catalog.quote_ident(n.nspname) || '.',1,3)='lab'
		AND (SELECT pg_catalog.count(*) FROM pg_catalog.pg_namespace WHERE substring(pg_catalog.quote_ident(nspname) || '.',1,3) = 'lab') > 1
	LIMIT 1000`,
	`SELECT tc.* FROM (SELECT c.*, n.nspname FROM pg_catalog.pg_class c, pg_catalog.pg_namespace n WHERE n.oid = c.relnamespace) tc WHERE tc.relname LIKE 'l%'`,
}

func TestCatalogQueries(t *testing.T) {
	for _, sql := range psqlStatements {
		if _, err := bindSQL(sql, nil); err != nil {
			t.Errorf("%v\n%s", err, sql)
		}
	}
	b, err := bindSQL(psqlStatements[3], nil)
	if err == nil && header(b.node) != "attname:name format_type:text pg_get_expr:text attnotnull:bool attcollation:name" {
		t.Error(header(b.node))
	}
}
