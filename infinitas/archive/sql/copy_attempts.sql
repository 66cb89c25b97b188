COPY incoming_attempts ({columns}) FROM STDIN
