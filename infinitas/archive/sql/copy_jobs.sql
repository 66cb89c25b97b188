COPY {incoming}_jobs ({columns}) FROM STDIN
