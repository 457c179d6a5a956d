#!/usr/bin/env bash
# Starts the real servers that the tests run against, on loopback ports that are
# free, and ends them by their pids. Sourced by .ci/run.
#
#   start_redis           sets REDIS_URL
#   start_redis_cluster   sets REDIS_CLUSTER (three masters)
#   start_kafka           sets KAFKA_BROKERS
#   start_postgres        sets POSTGRES_URL (PostgreSQL 15, wal_level=logical)
#   debezium_folders      prints the folder of Kafka Connect's jars, a colon, and the folder of Debezium
#   start_schemas         sets SCHEMAS_URL (Apicurio's schema registry, by Confluent's API)
#   start_lake            sets S3_URL (S3Proxy: key fqgw, secret fqgw-secret, bucket warehouse), LAKE_REST and LAKE_VENDING
#                         (Apache Iceberg's own REST catalog; the second hands the S3 credentials out)
#   stop_servers
#
# What is missing is installed: redis-server, postgresql-15 and a JDK from Debian, the jars of Kafka, of S3Proxy, of Apicurio and of Iceberg by Maven.

SERVER_DIR=${SERVER_DIR:-$(mktemp -d)}
CACHE_DIR=${FQGW_TEST_CACHE:-$HOME/.cache/fqgw-servers}
mkdir -p "$CACHE_DIR"
server_pids=()

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

retry() { local i; for i in 1 2 3; do "$@" && return 0; sleep $((i * 3)); done; return 1; }

apt_install() {
  retry as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update >/dev/null
  # RUNLEVEL=1 keeps the packages from starting services of their own.
  retry as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq -y --no-install-recommends install "$@" >"$CACHE_DIR/apt.log" 2>&1 ||
    { tail -5 "$CACHE_DIR/apt.log" >&2; return 1; }
}

need() { command -v "$1" >/dev/null 2>&1 || { echo "installing $2"; apt_install "$2"; }; }

# python_with NAME PACKAGE…: the interpreter of a kept environment that has them.
python_with() {
  local venv=$CACHE_DIR/$1-venv want
  shift
  want=$(echo "$@"; [ "$1" != -r ] || cat "$2")
  if [ "$(cat "$venv/.complete" 2>/dev/null)" != "$want" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv" >/dev/null 2>&1 || { rm -rf "$venv"; apt_install python3-venv && python3 -m venv "$venv" >&2; } || return 1
    retry "$venv/bin/pip" install -q --disable-pip-version-check "$@" >&2 || return 1
    echo "$want" >"$venv/.complete"
  fi
  echo "$venv/bin/python"
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_ports N: N adjacent free ports below the ephemeral range.
free_ports() {
  local base i ok
  for _ in $(seq 1 100); do
    base=$((20000 + RANDOM % 10000))
    ok=1
    for i in $(seq 0 $(($1 - 1))); do listening $((base + i)) && ok=0; done
    [ $ok = 1 ] && { echo $base; return 0; }
  done
  return 1
}

# daemon NAME COMMAND…: in the background, output to NAME.log.
declare -A daemons
daemon() {
  local name=$1
  shift
  "$@" >"$SERVER_DIR/$name.log" 2>&1 </dev/null &
  server_pids+=($!)
  daemons[$name]=$!
}

# ready NAME SECONDS COMMAND…: waits until the command succeeds, as long as the
# daemon of that name runs. A daemon that ended may have lost its port to another
# program: "again" starts it with another.
ready() {
  local name=$1 until=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    kill -0 "${daemons[$name]}" 2>/dev/null || { echo "$name ended" >&2; tail -20 "$SERVER_DIR/$name.log" >&2; return 1; }
    [ $SECONDS -lt $until ] || { echo "$name was not ready in time" >&2; tail -20 "$SERVER_DIR/$name.log" >&2; return 1; }
    sleep 0.2
  done
}

# again COMMAND…: twice before it counts as failed, for what starts servers.
again() { "$@" || { echo "$1 failed, once more"; "$@"; }; }

start_redis() {
  need redis-server redis-server || return 1
  local port
  port=$(free_ports 1) || return 1
  rm -rf "$SERVER_DIR/redis"
  mkdir -p "$SERVER_DIR/redis"
  daemon redis redis-server --port "$port" --bind 127.0.0.1 --dir "$SERVER_DIR/redis" --save "" --appendonly no
  ready redis 60 listening "$port" || return 1
  REDIS_URL="redis://127.0.0.1:$port"
}

start_redis_cluster() {
  need redis-server redis-server || return 1
  local port i
  port=$(free_ports 6) || return 1
  REDIS_CLUSTER=
  for i in 0 1 2; do
    rm -rf "$SERVER_DIR/cluster$i"
    mkdir -p "$SERVER_DIR/cluster$i"
    daemon "cluster$i" redis-server --port $((port + i)) --bind 127.0.0.1 --dir "$SERVER_DIR/cluster$i" --save "" --appendonly no \
      --cluster-enabled yes --cluster-port $((port + 3 + i)) --cluster-config-file nodes.conf --cluster-node-timeout 2000
    REDIS_CLUSTER+="${REDIS_CLUSTER:+,}127.0.0.1:$((port + i))"
  done
  for i in 0 1 2; do ready "cluster$i" 60 listening $((port + i)) || return 1; done
  redis-cli --cluster create ${REDIS_CLUSTER//,/ } --cluster-yes >"$SERVER_DIR/cluster-create.log" 2>&1 ||
    { cat "$SERVER_DIR/cluster-create.log" >&2; return 1; }
  for i in 0 1 2; do
    ready "cluster$i" 120 sh -c "redis-cli -h 127.0.0.1 -p $((port + i)) cluster info | grep -q cluster_state:ok" || return 1
  done
}

# jars NAME POM: the folder with the jars that a pom names.
jars() {
  local lib=$CACHE_DIR/$1
  if [ ! -f "$lib/.complete" ]; then
    need mvn maven >&2 || return 1
    rm -rf "$lib"
    mkdir -p "$lib"
    retry mvn -U -q -B -f "$2" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$lib" >"$lib-mvn.log" 2>&1 ||
      { grep -m3 ERROR "$lib-mvn.log" >&2; return 1; }
    touch "$lib/.complete"
  fi
  echo "$lib"
}

kafka_jars() {
  cat >"$CACHE_DIR/kafka-pom.xml" <<'P'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>fqgw</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.4.0</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.5</version></dependency>
  </dependencies>
</project>
P
  jars kafka-4.4.0 "$CACHE_DIR/kafka-pom.xml"
}

start_kafka() {
  local lib port dir=$SERVER_DIR/kafka
  command -v java >/dev/null 2>&1 || apt_install openjdk-17-jre-headless || return 1
  lib=$(kafka_jars) || return 1
  port=$(free_ports 2) || return 1
  rm -rf "$dir"
  mkdir -p "$dir"
  cat >"$dir/server.properties" <<P
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=CLIENT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=CLIENT://127.0.0.1:$port
listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENT
controller.listener.names=CONTROLLER
log.dirs=$dir/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
P
  cat >"$dir/log4j2.properties" <<'P'
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.started.name = kafka.server.KafkaRaftServer
logger.started.level = info
P
  java -XX:TieredStopAtLevel=1 -cp "$lib/*" -Dlog4j2.configurationFile="$dir/log4j2.properties" kafka.tools.StorageTool format \
    -t "$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d =)" -c "$dir/server.properties" >"$dir/format.log" 2>&1 ||
    { cat "$dir/format.log" >&2; return 1; }
  daemon kafka java -Xmx512m -Xms64m -XX:+UseSerialGC -Dlog4j2.configurationFile="$dir/log4j2.properties" -cp "$lib/*" kafka.Kafka "$dir/server.properties"
  ready kafka 240 grep -q 'Kafka Server started' "$SERVER_DIR/kafka.log" || return 1
  KAFKA_BROKERS="127.0.0.1:$port"
}

# java_from VERSION: a java of that version or newer; other JDKs lie beside the one in PATH.
java_from() {
  local java version here
  here=$(readlink -f "$(command -v java)")
  for java in ${JAVA_HOME:+"$JAVA_HOME/bin/java"} "$here" "${here%/*/bin/java}"/*/bin/java; do
    [ -x "$java" ] || continue
    version=$("$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -1)
    [ "${version:-0}" -lt "$1" ] || { echo "$java"; return; }
  done
  echo "there is no java of version $1 or newer" >&2
  return 1
}

start_schemas() {
  need curl curl || return 1
  command -v java >/dev/null 2>&1 || apt_install openjdk-17-jre-headless || return 1
  local app=$CACHE_DIR/apicurio-3.3.3 java port
  java=$(java_from 21) || return 1
  if [ ! -d "$app" ]; then
    need mvn maven || return 1
    rm -rf "$app.jars" "$app.part"
    retry mvn -U -q -B dependency:copy -Dartifact=io.apicurio:apicurio-registry-app:3.3.3:tar.gz:all -DoutputDirectory="$app.jars" >"$app.log" 2>&1 ||
      { grep -m3 ERROR "$app.log" >&2; return 1; }
    mkdir "$app.part" && tar xzf "$app.jars"/*.tar.gz -C "$app.part" && mv "$app.part" "$app" && rm -rf "$app.jars" || return 1
  fi
  port=$(free_ports 2) || return 1
  daemon schemas "$java" -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.util.logging.manager=org.jboss.logmanager.LogManager \
    -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$port" -Dquarkus.management.host=127.0.0.1 -Dquarkus.management.port=$((port + 1)) \
    -Dquarkus.log.level=WARN -jar "$app/quarkus-run.jar"
  SCHEMAS_URL="http://127.0.0.1:$port/apis/ccompat/v7"
  ready schemas 240 curl -fsS -m 2 -o /dev/null "$SCHEMAS_URL/subjects" || return 1
}

postgres_bin() { dpkg -L postgresql-15 2>/dev/null | sed -n 's,/initdb$,,p' | grep /bin | head -1; }

# PostgreSQL refuses to run as root: then it runs as the user of its package.
start_postgres() {
  if [ -z "$(postgres_bin)" ]; then
    echo "installing postgresql-15"
    # Otherwise the package makes a cluster of its own.
    apt_install postgresql-common && as_root sed -i 's/^#\? *create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf &&
      apt_install postgresql-15 || return 1
  fi
  local bin port dir=$SERVER_DIR/postgres as=()
  bin=$(postgres_bin)
  port=$(free_ports 1) || return 1
  rm -rf "$dir"
  mkdir -p "$dir"
  if [ "$(id -u)" = 0 ]; then
    chmod o+x "$SERVER_DIR" && chown postgres: "$dir"
    as=(setpriv --reuid=postgres --regid=postgres --init-groups --)
  fi
  (cd / && "${as[@]}" "$bin/initdb" -D "$dir" -U postgres --auth=trust -E UTF8 --locale=C.UTF-8 --no-sync) >"$SERVER_DIR/initdb.log" 2>&1 ||
    { tail -5 "$SERVER_DIR/initdb.log" >&2; return 1; }
  daemon postgres "${as[@]}" "$bin/postgres" -D "$dir" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c timezone=UTC -c fsync=off \
    -c wal_level=logical
  ready postgres 60 "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" -d postgres -U postgres || return 1
  POSTGRES_URL="postgres://postgres@127.0.0.1:$port/postgres?sslmode=disable"
}

debezium_folders() {
  local lib version=3.7.0.Final dir archive
  cat >"$CACHE_DIR/connect-pom.xml" <<'P'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>fqgw</groupId><artifactId>connect</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>connect-runtime</artifactId><version>4.3.1</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.5</version></dependency>
  </dependencies>
</project>
P
  lib=$(jars connect-4.3.1 "$CACHE_DIR/connect-pom.xml") || return 1
  dir=$CACHE_DIR/debezium-$version archive=$CACHE_DIR/debezium-connector-postgres-$version-plugin.tar.gz
  if [ ! -d "$dir" ]; then
    retry mvn -U -q -B dependency:copy -Dartifact=io.debezium:debezium-connector-postgres:$version:tar.gz:plugin -DoutputDirectory="$CACHE_DIR" >"$dir.log" 2>&1 ||
      { grep -m3 ERROR "$dir.log" >&2; return 1; }
    rm -rf "$dir.part"
    mkdir "$dir.part" && tar xzf "$archive" -C "$dir.part" && mv "$dir.part" "$dir" || return 1
  fi
  echo "$lib:$dir"
}

start_s3() {
  command -v java >/dev/null 2>&1 || apt_install openjdk-17-jre-headless || return 1
  local jar=$CACHE_DIR/s3proxy-4.1.0.jar port dir=$SERVER_DIR/s3
  if [ ! -f "$jar" ]; then
    need mvn maven || return 1
    retry mvn -U -q -B dependency:copy -Dartifact=org.gaul:s3proxy:4.1.0:jar:jar-with-dependencies -DoutputDirectory="$CACHE_DIR/s3proxy" >"$jar.log" 2>&1 ||
      { grep -m3 ERROR "$jar.log" >&2; return 1; }
    mv "$CACHE_DIR"/s3proxy/*.jar "$jar"
  fi
  port=$(free_ports 1) || return 1
  rm -rf "$dir"
  mkdir -p "$dir/store/warehouse"
  cat >"$dir/s3proxy.conf" <<P
s3proxy.endpoint=http://127.0.0.1:$port
s3proxy.authorization=aws-v2-or-v4
s3proxy.identity=fqgw
s3proxy.credential=fqgw-secret
jclouds.provider=filesystem-nio2
jclouds.filesystem.basedir=$dir/store
P
  daemon s3 java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -DLOG_LEVEL=warn -jar "$jar" --properties "$dir/s3proxy.conf"
  ready s3 240 listening "$port" || return 1
  S3_URL="http://127.0.0.1:$port"
}

# Iceberg for the Spark of sql-tests/engines/requirements.txt.
spark_jars() {
  cat >"$CACHE_DIR/spark-pom.xml" <<'P'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>fqgw</groupId><artifactId>spark</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.iceberg</groupId><artifactId>iceberg-spark-runtime-4.0_2.13</artifactId><version>1.11.0</version></dependency>
    <dependency><groupId>org.apache.iceberg</groupId><artifactId>iceberg-aws-bundle</artifactId><version>1.11.0</version></dependency>
  </dependencies>
</project>
P
  jars iceberg-spark-1.11.0 "$CACHE_DIR/spark-pom.xml"
}

# start_rest NAME VEND: sets REST_URL, a REST catalog whose tables are in S3_URL.
start_rest() {
  local lib port dir=$SERVER_DIR/$1
  port=$(free_ports 1) || return 1
  rm -rf "$dir"
  mkdir -p "$dir"
  lib=$(jars iceberg-rest-1.11.0 .ci/iceberg-rest/pom.xml) || return 1
  javac -nowarn -cp "$lib/*" -d "$dir" .ci/iceberg-rest/IcebergRest.java 2>"$dir/javac.log" || { cat "$dir/javac.log" >&2; return 1; }
  daemon "$1" env AWS_REGION=us-east-1 java -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -cp "$dir:$lib/*" org.apache.iceberg.rest.IcebergRest "$port" "$2" \
    catalog-impl=org.apache.iceberg.jdbc.JdbcCatalog "uri=jdbc:sqlite:$dir/catalog.db" jdbc.schema-version=V1 \
    "warehouse=s3://warehouse/$1" io-impl=org.apache.iceberg.aws.s3.S3FileIO "s3.endpoint=$S3_URL" s3.path-style-access=true \
    client.region=us-east-1 s3.access-key-id=fqgw s3.secret-access-key=fqgw-secret
  ready "$1" 240 curl -fsS -m 2 -o /dev/null "http://127.0.0.1:$port/v1/config" || return 1
  REST_URL="http://127.0.0.1:$port"
}

start_lake() {
  need curl curl && need javac openjdk-17-jdk-headless || return 1
  again start_s3 && again start_rest rest false && LAKE_REST=$REST_URL && again start_rest vending true && LAKE_VENDING=$REST_URL
}

stop_servers() {
  local pid
  for pid in "${server_pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${server_pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$SERVER_DIR"
}
