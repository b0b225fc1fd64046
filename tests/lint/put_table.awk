# Prints a document with the lines of a file between two marks in place of what stands there.
# usage: awk -v begin=MARK -v end=MARK -v table=FILE -f put_table.awk DOCUMENT        1: a mark is not there just once
$0 == begin { print; print ""; while ((getline line < table) > 0) print line; print ""; skips = 1; found++ }
$0 == end { skips = 0; found++ }
!skips
END { exit found != 2 }
