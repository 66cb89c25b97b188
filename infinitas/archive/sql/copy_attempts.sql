COPY {incoming}_attempts ({columns}) FROM STDIN
