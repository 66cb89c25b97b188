COPY {incoming}_logs ({columns}) FROM STDIN
