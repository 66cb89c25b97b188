COPY incoming_jobs ({columns}) FROM STDIN
