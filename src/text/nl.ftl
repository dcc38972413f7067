### Texts in Dutch, at B1 level: short sentences, "u", the active voice. The same messages stand in en.ftl.
### page-…: pages. mail-…: mails. A variable is a value that we escape where it is shown.

## Every page

page-skip = Naar de inhoud
page-language = Taal
page-help = Hulp
page-privacy = Privacy
page-accessibility = Toegankelijkheid
page-title = { $title } · { $organisation }
page-title-error = Fout: { $title } · { $organisation }

## Page 1: the code

unlock-title = { $sender } heeft u een beveiligd bericht gestuurd
unlock-from = Van
unlock-for = Voor
unlock-until = Te lezen tot en met
unlock-label = Toegangscode
unlock-help = U heeft de code van de afzender gekregen: per post, telefonisch of persoonlijk.
unlock-hint = Tip van de afzender: { $hint }
unlock-button = Bericht openen
unlock-lost = Ik heb geen code of ben hem kwijt
unlock-empty = Vul uw toegangscode in.
unlock-wrong = Deze code klopt niet.
unlock-left =
    { $left ->
        [one] U kunt het nog 1 keer proberen.
       *[other] U kunt het nog { $left } keer proberen.
    }
unlock-again = U kunt het weer proberen vanaf { $time } uur.
unlock-paused = Er is te vaak een verkeerde code ingevuld.
unlock-closed = Dit bericht is nu gesloten.
unlock-closed-what = Er is te vaak een verkeerde code ingevuld. Bel met de afzender. Die kan het bericht weer voor u openzetten.
unlock-busy = Het is nu erg druk.
unlock-busy-what = Probeer het over een minuut opnieuw. Deze keer telt niet mee.
unlock-stale = De pagina stond te lang open.
unlock-stale-what = Vul uw code nog een keer in. Deze keer telt niet mee.

## No code, or lost

lost-title = Geen code, of kwijt?
lost-call = Bel met { $sender }. Vraag om uw toegangscode. Weet de afzender de code niet meer? Dan kunt u een nieuwe krijgen.
lost-phone = Het telefoonnummer van { $organisation } is { $phone }.
lost-never = Wij sturen toegangscodes nooit per e-mail. Vraagt iemand u om uw code? Geef hem dan niet.
lost-back = Ik heb de code

## The message

message-subject-none = Bericht zonder onderwerp
message-from = Van
message-to = Aan
message-cc = Kopie aan
message-sent = Verstuurd
message-frame = Inhoud van het bericht
message-wide = Bericht groot openen
message-empty = Dit bericht heeft geen tekst.
message-cut = Dit bericht is te lang om hier helemaal te laten zien. U kunt het hele bericht downloaden.
message-files = Bijlagen
message-file = bijlage { $number }
message-original = Bericht downloaden
message-original-what = Als e-mailbestand (.eml), { $size }.
message-logout = Uitloggen
message-idle =
    { $minutes ->
        [one] Wij loggen u uit als u 1 minuut niets doet.
       *[other] Wij loggen u uit als u { $minutes } minuten niets doet.
    }
kind-image = Afbeelding
kind-mail = E-mail
kind-text = Tekst

## Pages that only say something: a title and what to do

home-title = Hier leest u beveiligde berichten
home-text = Heeft u een e-mail gekregen met de knop ‘Open bericht’? Klik op die knop. Dan komt u bij uw bericht. U heeft uw toegangscode nodig.
gone-title = Dit bericht is hier niet te vinden
gone-text = Misschien is de link niet helemaal overgenomen. Of het bericht is verlopen of ingetrokken. Open de link in uw e-mail opnieuw. Lukt dat niet? Bel dan met de afzender.
ended-title = U bent niet ingelogd
ended-text = Dat gebeurt als u een tijdje niets doet, of als u heeft uitgelogd. Wilt u het bericht lezen? Open de link in uw e-mail opnieuw.
logged-out-title = U bent uitgelogd
logged-out-text = Wilt u het bericht nog een keer lezen? Open dan de link in uw e-mail opnieuw.
not-found-title = Deze pagina bestaat niet
not-found-text = Controleer het adres, of open de link in uw e-mail opnieuw.
no-part-title = Deze bijlage is er niet
no-part-text = Ga terug naar het bericht en kies de bijlage opnieuw.
refused-title = Dit kan zo niet
refused-text = Open de link in uw e-mail opnieuw en probeer het nog een keer.
too-large-title = Dit is te veel tekst
too-large-text = Ga terug en vul alleen uw toegangscode in.
busy-title = Het is nu erg druk
busy-text = Probeer het over een minuut opnieuw. Uw bericht blijft bewaard.
broken-title = Er ging iets mis bij ons
broken-text = Uw bericht blijft bewaard. Probeer het over een paar minuten opnieuw. Blijft het misgaan? Bel ons dan.
