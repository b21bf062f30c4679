"""PostgreSQL: the server, the roles, the migrations, the transactions. No rule and no use case."""
