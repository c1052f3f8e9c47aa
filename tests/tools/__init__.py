"""What tests are made with: ports, programs, networks, ends of links, namespaces, modules."""
