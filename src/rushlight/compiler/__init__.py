"""The compiler: graphs in, native plans out. Read ``pipeline`` first."""
