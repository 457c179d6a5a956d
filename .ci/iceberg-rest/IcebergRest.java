package org.apache.iceberg.rest;

import java.net.InetSocketAddress;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.iceberg.CatalogUtil;
import org.apache.iceberg.catalog.Catalog;
import org.apache.iceberg.rest.responses.LoadTableResponse;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;

/**
 * Apache Iceberg's own REST catalog (the adapter and servlet of its test jar) over its JDBC catalog,
 * on the loopback address; its RESTCatalogServer listens on every address. In that package because Route is
 * not public.
 *
 * <p>IcebergRest PORT VEND PROPERTY=VALUE… ; VEND true hands the s3.* and client.* properties to the
 * clients with each table.
 */
public class IcebergRest {
  public static void main(String[] args) throws Exception {
    Map<String, String> properties = new HashMap<>();
    for (int i = 2; i < args.length; i++) {
      int eq = args[i].indexOf('=');
      properties.put(args[i].substring(0, eq), args[i].substring(eq + 1));
    }
    Map<String, String> vended = new HashMap<>(properties);
    vended.keySet().removeIf(key -> !key.startsWith("s3.") && !key.startsWith("client."));
    if (!Boolean.parseBoolean(args[1])) {
      vended.clear();
    }

    Catalog catalog = CatalogUtil.buildIcebergCatalog("fqgw", properties, null);
    ServletContextHandler context = new ServletContextHandler();
    context.addServlet(new ServletHolder(new RESTCatalogServlet(new Vending(catalog, vended))), "/*");
    Server server = new Server(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])));
    server.setHandler(context);
    server.start();
    server.join();
  }

  private static class Vending extends RESTCatalogAdapter {
    private final Map<String, String> vended;

    Vending(Catalog catalog, Map<String, String> vended) {
      super(catalog);
      this.vended = vended;
    }

    @Override
    @SuppressWarnings("unchecked")
    public <T extends RESTResponse> T handleRequest(
        Route route, Map<String, String> vars, HTTPRequest request, Class<T> type, Consumer<Map<String, String>> headers) {
      T response = super.handleRequest(route, vars, request, type, headers);
      if (vended.isEmpty() || !(response instanceof LoadTableResponse table)) {
        return response;
      }
      return (T) LoadTableResponse.builder().withTableMetadata(table.tableMetadata()).addAllConfig(table.config()).addAllConfig(vended).build();
    }
  }
}
