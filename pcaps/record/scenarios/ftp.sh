# vsftpd and curl: passive (PASV, EPSV) and active (PORT, EPRT) transfers, both ways, listings.
two_hosts
file_server server
capture server "$out/capture.pcap" -i eth0
seq 1 1500 >upload.txt

transfers() { # ADDRESS curl-arguments...
  local address=$1
  shift
  expect '' on client curl -sSg "$@" -o numbers.txt "ftp://$address/numbers.txt"
  cmp numbers.txt ftp/numbers.txt
  expect 'incoming' on client curl -sg "$@" "ftp://$address/"
  expect '' on client curl -sg "$@" -T upload.txt "ftp://$address/incoming/upload-$RANDOM$RANDOM.txt"
}

transfers 10.0.0.2 --disable-epsv          # PASV
transfers 10.0.0.2                         # EPSV
transfers 10.0.0.2 --disable-eprt -P -     # PORT
transfers 10.0.0.2 -P -                    # EPRT
transfers '[2001:db8:0:1::2]'              # EPSV
transfers '[2001:db8:0:1::2]' -P -         # EPRT
captures_end
