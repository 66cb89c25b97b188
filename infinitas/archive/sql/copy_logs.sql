COPY incoming_logs ({columns}) FROM STDIN
