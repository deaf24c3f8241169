# Strings built, split, joined, counted and sorted.
use strict;
use warnings;

my (%count, @lines);
my $x = 12345;
for my $i (1 .. 120000) {
    $x = ($x * 1103515245 + 12345) % 2147483648;
    push @lines, join ' ', map { 'w' . (($x >> $_) % 5000) } 1 .. 6;
}
for my $line (@lines) {
    $count{$_}++ for split / /, $line;
}
my @order = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
my %index;
for my $i (0 .. $#lines) {
    push @{ $index{ substr $lines[$i], 0, 4 } }, $i if $lines[$i] =~ /w1\d+ (w\d+)/;
}
print scalar(@order), " $order[0] ", scalar(keys %index), "\n";
